using System.Reflection;
using System.Xml.Linq;

namespace Hectare.Tests.Repository;

/// <summary>Who may know whom (docs/architecture.md, Arrows): in the project files, and in what was compiled.</summary>
public sealed class ArrowTests
{
    public static TheoryData<string, string> Arrows => new()
    {
        { "src/Protocol/Hectare.Protocol.csproj", "" },
        { "src/Transport/Hectare.Transport.csproj", "Protocol" },
        { "src/World/Hectare.World.csproj", "Protocol" },
        { "src/Replication/Hectare.Replication.csproj", "Protocol World" },
        { "src/Client/Hectare.Client.csproj", "Protocol Transport" },
        { "src/Server/Hectare.Server.csproj", "Replication Transport World" },
        { "samples/Farm/Hectare.Farm.csproj", "Client Server" },
        { "samples/Login/Hectare.Login.csproj", "Transport" },
        { "src/Cli/Hectare.Cli.csproj", "Client Farm Server" },
    };

    [Theory]
    [MemberData(nameof(Arrows))]
    public void Project_references_only_what_its_arrow_allows(string project, string allowed)
    {
        IEnumerable<string> references = XDocument.Load(Path.Combine(RepositoryRoot.Path, project)).Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!)["Hectare.".Length..])
            .Order(StringComparer.Ordinal);
        Assert.Equal(allowed, string.Join(' ', references));
    }

    [Theory]
    [InlineData("Hectare.Protocol", "")]
    [InlineData("Hectare.Transport", "Protocol")]
    [InlineData("Hectare.World", "Protocol")]
    [InlineData("Hectare.Replication", "Protocol World")]
    [InlineData("Hectare.Client", "Protocol Transport")]
    [InlineData("Hectare.Server", "Protocol Replication Transport World")]
    public void Assembly_knows_only_what_its_arrow_allows(string assembly, string allowed)
    {
        IEnumerable<string> known = Assembly.Load(assembly).GetReferencedAssemblies()
            .Select(name => name.Name!)
            .Where(name => name.StartsWith("Hectare.", StringComparison.Ordinal))
            .Select(name => name["Hectare.".Length..]);
        Assert.Empty(known.Except(allowed.Split(' ', StringSplitOptions.RemoveEmptyEntries), StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Hectare.Protocol")]
    [InlineData("Hectare.World")]
    [InlineData("Hectare.Replication")]
    [InlineData("Hectare.Client")]
    [InlineData("Hectare.Server")]
    public void Only_transport_knows_sockets(string assembly)
        => Assert.DoesNotContain("System.Net.Sockets", Assembly.Load(assembly).GetReferencedAssemblies().Select(name => name.Name!), StringComparer.Ordinal);

    [Theory]
    [InlineData("Protocol")]
    [InlineData("Transport")]
    [InlineData("World")]
    [InlineData("Replication")]
    [InlineData("Client")]
    public void Sans_io_projects_are_marked(string project)
    {
        XDocument file = XDocument.Load(Path.Combine(RepositoryRoot.Path, "src", project, $"Hectare.{project}.csproj"));
        Assert.Equal("true", file.Descendants("SansIo").Single().Value);
    }

    [Fact]
    public void Only_the_udp_socket_lifts_the_ban()
        => Assert.Equal("src/Transport/UdpSocket.cs", FilesWith("src", "RS0030"));

    [Fact]
    public void Native_code_is_called_from_named_files_only()
        => Assert.Equal("src/Cli/Libc.cs src/Server/Clock.cs src/Server/HugePages.cs src/Transport/Libc.cs", FilesWith("src", "LibraryImport", "DllImport"));

    // Benches: a thread's clock, two libraries that are measured beside ours.
    [Fact]
    public void Benches_call_native_code_from_named_files_only()
        => Assert.Equal("bench/Hectare.Bench/FlatCost.cs bench/Hectare.Bench/Libcrypto.cs bench/Hectare.Peers/OverEnet/EnetLibrary.cs", FilesWith("bench", "LibraryImport", "DllImport"));

    // The CLI is where they are measured from; nothing else of theirs may lean on it.
    [Fact]
    public void Nothing_leans_on_a_bench_but_tests()
        => Assert.Empty(((string[])["src", "samples", "bench"]).SelectMany(folder => Directory.EnumerateFiles(Path.Combine(RepositoryRoot.Path, folder), "*.csproj", SearchOption.AllDirectories))
            .Where(project => XDocument.Load(project).Descendants("ProjectReference").Any(reference => ((string)reference.Attribute("Include")!).Contains("bench/", StringComparison.Ordinal)))
            .Select(RepositoryRoot.Relative));

    [Fact]
    public void Banned_symbols_name_clocks_randomness_threads_and_sockets()
    {
        string banned = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "BannedSymbols.txt"));
        foreach (string symbol in (string[])["N:System.Net.Sockets;", "T:System.Random;", "T:System.Diagnostics.Stopwatch;", "P:System.DateTime.UtcNow;", "T:System.Threading.Thread;", "T:System.Threading.Tasks.Task;", "M:System.Guid.NewGuid;"])
            Assert.Contains(symbol, banned, StringComparison.Ordinal);
    }

    [Fact]
    public void No_file_leaves_work_undone()
    {
        string[] marks = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Exception"];
        Assert.Empty(((string[])["src", "samples", "tests", "bench"]).SelectMany(folder => RepositoryRoot.SourceFiles(folder))
            .Where(file => marks.Any(mark => File.ReadAllText(file).Contains(mark, StringComparison.Ordinal)))
            .Select(RepositoryRoot.Relative));
    }

    private static string FilesWith(string folder, params string[] words)
        => string.Join(' ', RepositoryRoot.SourceFiles(folder)
            .Where(file => Array.Exists(words, word => File.ReadAllText(file).Contains(word, StringComparison.Ordinal)))
            .Select(RepositoryRoot.Relative)
            .Order(StringComparer.Ordinal));
}
