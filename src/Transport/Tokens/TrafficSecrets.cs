using System.Globalization;
using Hectare.Transport.Crypto;

namespace Hectare.Transport;

/// <summary>What opens one connection's packets in a capture: a line of a key file.</summary>
/// <param name="ConnectionId">The number that the client's packets name.</param>
/// <param name="Suite">The cipher.</param>
/// <param name="Client">Traffic secret of what the client sends, 32 bytes.</param>
/// <param name="Server">Traffic secret of what the server sends, 32 bytes.</param>
public sealed record TrafficSecrets(ulong ConnectionId, CipherSuite Suite, byte[] Client, byte[] Server)
{
    /// <summary><c>connection id, 16 digits | suite | client secret, 64 digits | server secret, 64 digits</c>, with a space between. Secret.</summary>
    public string ToLine() => string.Create(CultureInfo.InvariantCulture, $"{ConnectionId:x16} {(byte)Suite} {Convert.ToHexStringLower(Client)} {Convert.ToHexStringLower(Server)}");

    /// <summary>Reads a line of <see cref="ToLine"/>.</summary>
    /// <returns>False when it is anything else.</returns>
    public static bool TryParse(string line, out TrafficSecrets secrets)
    {
        ArgumentNullException.ThrowIfNull(line);
        secrets = null!;
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length != 4 || words[0].Length != 16 || words[2].Length != 64 || words[3].Length != 64
            || !ulong.TryParse(words[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong id)
            || !byte.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out byte suite) || suite is not (1 or 2))
        {
            return false;
        }

        byte[] client = new byte[32];
        byte[] server = new byte[32];
        if (Convert.FromHexString(words[2], client, out _, out _) != System.Buffers.OperationStatus.Done
            || Convert.FromHexString(words[3], server, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return false;
        }

        secrets = new TrafficSecrets(id, (CipherSuite)suite, client, server);
        return true;
    }

    /// <summary>Which connection; never its secrets.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"secrets of connection {ConnectionId:x16}");
}
