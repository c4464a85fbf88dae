using Hectare.Cli.Commands;
using Hectare.Transport.Crypto;

namespace Hectare.Cli;

/// <summary><c>HECTARE_CIPHER=framework</c> forbids our own AES-GCM in this process and in those that it starts.</summary>
internal static class CipherSwitch
{
    private const string Name = "HECTARE_CIPHER";

    /// <summary>Why AES-256-GCM runs on the framework's code here: it was asked for, or ours cannot run. Null: ours runs.</summary>
    public static string? Warning => PacketCipher.DefaultProvider == CipherProvider.Framework
        ? $"{Name}=framework: AES-256-GCM runs on the framework's code, some microseconds a packet"
        : CipherSelfTest.Warning;

    /// <summary>Does what the environment says. Before the first cipher is made.</summary>
    /// <exception cref="BadInputException">It says what there is not.</exception>
    public static void Read()
    {
        string? wish = Environment.GetEnvironmentVariable(Name);
        if (string.IsNullOrEmpty(wish))
            return;
        if (wish != "framework")
            throw new BadInputException($"{Name}={wish}: must be framework, or not set");
        PacketCipher.DefaultProvider = CipherProvider.Framework;
    }
}
