using System.Runtime.InteropServices;
using Hectare.Transport.Crypto;

namespace Hectare.SystemTests;

/// <summary>Other runtimes must agree to the bit: ahead-of-time code of net9.0, and a stranger's decoder in Python.</summary>
public sealed class OtherRuntimeTests
{
    [Fact]
    public async Task A_million_steps_and_sealed_packets_compiled_ahead_of_time_come_to_the_same_hashes()
    {
        Assert.SkipUnless(RuntimeInformation.RuntimeIdentifier.StartsWith("linux", StringComparison.Ordinal), "ahead-of-time compilation is set up for Linux");
        Assert.SkipUnless(ToolProcess.Exists("clang") || ToolProcess.Exists("gcc"), "no linker: install clang or gcc, and zlib1g-dev");
        CancellationToken cancel = TestContext.Current.CancellationToken;
        string root = CliProcess.RepositoryRoot, folder = Directory.CreateTempSubdirectory("hectare-aot").FullName;
        try
        {
            string dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
            (int exit, string output) = await ToolProcess.RunAsync(dotnet, TimeSpan.FromMinutes(4), cancel, "publish", Path.Combine(root, "tests", "Vectors.Aot"), "-c", "Release", "-o", folder);
            Assert.True(exit == 0, output);
            (exit, output) = await ToolProcess.RunAsync(Path.Combine(folder, "Vectors.Aot"), TimeSpan.FromMinutes(1), cancel);
            Assert.Equal(0, exit);
            string[] lines = output.Trim().Split('\n', StringSplitOptions.TrimEntries);
            string vectors = Path.Combine(root, "tests", "Hectare.Tests", "Vectors");
            Assert.Equal((await File.ReadAllTextAsync(Path.Combine(vectors, "movement.txt"), cancel)).Trim(), lines[0]);
            Assert.Equal((await File.ReadAllTextAsync(Path.Combine(vectors, "sealed.txt"), cancel)).Trim(), lines[1]);
            if (CipherSelfTest.IntrinsicsUsable)
                Assert.Equal("our own AES-256-GCM", lines[2]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_decoder_written_from_the_wire_format_alone_comes_to_the_same_replica()
    {
        Assert.SkipUnless(ToolProcess.Exists("python3"), "python3 is not installed");
        string folder = Path.Combine(CliProcess.RepositoryRoot, "tests", "conformance");
        (int exit, string output) = await ToolProcess.RunAsync("python3", TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken,
            "-B", Path.Combine(folder, "decode.py"), Path.Combine(folder, "golden.capture"), Path.Combine(folder, "golden.replica"));
        Assert.True(exit == 0, output);
        Assert.Contains("equal", output, StringComparison.Ordinal);
        Assert.InRange(File.ReadLines(Path.Combine(folder, "decode.py")).Count(), 1, 400);
    }
}
