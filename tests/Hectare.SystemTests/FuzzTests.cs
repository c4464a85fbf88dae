using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using Hectare.Fuzz.Engine;
using Hectare.Fuzz.Targets;
using Hectare.Protocol;

namespace Hectare.SystemTests;

/// <summary>
/// Goal: no bytes, whoever sends them, make a reader throw, hang, grow or believe what nobody said. Method: tests/Hectare.Fuzz, as a program: every
/// target for its share of three minutes, two at a time, from one seed; with <c>HECTARE_FULL=1</c> ten million inputs a target, from a new seed.
/// See docs/fuzzing.md.
/// </summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int TotalSeconds = 150;   // and half a second for the process of each target

    private static readonly bool IsFull = Environment.GetEnvironmentVariable("HECTARE_FULL") == "1";

    [Fact]
    public async Task Every_reader_takes_any_bytes()
    {
        using var folder = new TestFolder();
        string report = folder["report.json"], failures = Path.Combine(Path.GetTempPath(), "hectare-fuzz-failures");
        string[] length = IsFull ? ["--inputs", "10000000", "--seed", $"{(ulong)Environment.TickCount64}"] : ["--total", $"{TotalSeconds}"];
        (int exit, string said) = await RunAsync(TimeSpan.FromMinutes(IsFull ? 240 : 6), ["--jobs", "2", "--json", report, "--failures", failures, .. length]);
        output.WriteLine(said);
        Assert.True(exit == 0, said);
        FleetReport fleet = JsonSerializer.Deserialize<FleetReport>(await File.ReadAllTextAsync(report, TestContext.Current.CancellationToken), FuzzJson.Compact)!;
        Assert.Equal(TargetList.All.Select(target => target.Name), fleet.Targets.Select(target => target.Target), StringComparer.Ordinal);
        // A target that refuses all it is given looks at nothing.
        Assert.All(fleet.Targets, target => Assert.True(target.Accepted > 0, target.Target));
        Assert.All(fleet.Targets, target => Assert.True(!IsFull || target.Inputs >= 10_000_000, target.Target));
    }

    [Theory]
    [InlineData("defect-throws", "exception", "DivideByZeroException")]
    [InlineData("defect-property", "property", "planted")]
    [InlineData("defect-overreads", "crash", "AccessViolationException")]
    [InlineData("defect-recurses", "crash", "Stack overflow")]
    [InlineData("defect-hangs", "hang", "not done after 1 s")]
    [InlineData("defect-slow", "slow", "at most 50 ms")]
    [InlineData("defect-allocates", "allocation", "at most 0 allowed")]
    [InlineData("defect-grows", "growth", "managed heap grew")]
    public async Task A_planted_fault_is_found(string target, string kind, string message)
    {
        using var folder = new TestFolder();
        string[] common = ["--target", target, "--hang", "1", "--failures", folder["failures"]];
        (int exit, string said) = await RunAsync(TimeSpan.FromMinutes(1), [.. common, "--seconds", "3", "--json", folder["report.json"]]);
        output.WriteLine(said);
        Assert.Equal(1, exit);
        FailureReport failure = JsonSerializer.Deserialize<FleetReport>(await File.ReadAllTextAsync(folder["report.json"], TestContext.Current.CancellationToken), FuzzJson.Compact)!.Targets.Single().Failure!;
        Assert.Equal(kind, failure.Kind);
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        if (failure.File.Length == 0)
            return;   // what grows has no one input to blame
        Assert.Equal(failure.InputHex, Convert.ToHexStringLower(await File.ReadAllBytesAsync(failure.File, TestContext.Current.CancellationToken)));
        (exit, said) = await RunAsync(TimeSpan.FromMinutes(1), [.. common, "--replay", failure.File]);
        Assert.NotEqual(0, exit);
        Assert.Contains(message, said, StringComparison.Ordinal);
    }

    [Fact]
    public void The_corpus_is_what_it_is_made_from()
    {
        using var folder = new TestFolder();
        Corpus.Make(folder["corpus"], TargetList.All);
        string source = Corpus.SourceFolder();
        foreach (string pack in Directory.EnumerateFiles(folder["corpus"], "*.pack", SearchOption.AllDirectories))
        {
            string kept = Path.Combine(source, Path.GetRelativePath(folder["corpus"], pack));
            Assert.True(File.Exists(kept) && File.ReadAllBytes(kept).AsSpan().SequenceEqual(File.ReadAllBytes(pack)), $"{kept} is not what is made now: run hectare-fuzz --make-corpus");
        }

        Assert.Equal(Directory.GetFiles(folder["corpus"], "*.pack", SearchOption.AllDirectories).Length, Directory.GetFiles(source, "*.pack", SearchOption.AllDirectories).Length);
        Assert.InRange(Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length), 1, 400_000);
    }

    [Fact]
    public void Every_reader_has_its_target()
    {
        string[] readers = [.. ((string[])["Protocol", "Transport", "Client", "Server", "Farm"]).SelectMany(project => Assembly.Load($"Hectare.{project}").GetTypes()).Append(typeof(Cli.Captures.CaptureFile))
            .Where(type => !type.IsNested || type.IsNestedAssembly || type.IsNestedPublic)
            .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(IsReader)
            .Select(NameOf)
            .Distinct(StringComparer.Ordinal)
            .Order(StringComparer.Ordinal)];
        string[] covered = [.. TargetList.All.SelectMany(target => target.Readers)];
        Assert.NotEmpty(readers);
        string[] missing = [.. readers.Except(covered, StringComparer.Ordinal).Except(TargetList.NoReaders, StringComparer.Ordinal)];
        Assert.True(missing.Length == 0, $"in no target of tests/Hectare.Fuzz/Targets/TargetList.cs: {string.Join(", ", missing)}");
    }

    // By its name and by what it is given: bytes, bits, text or a file.
    private static bool IsReader(MethodInfo method)
        => !method.IsPrivate
        && ((string[])["TryRead", "Read", "TryOpen", "Open", "TryParse", "Parse", "TryVerify", "Handle", "Check", "Take", "TryTake"]).Any(prefix => method.Name.StartsWith(prefix, StringComparison.Ordinal))
        && method.GetParameters().Any(parameter => IsSource(parameter.ParameterType));

    private static bool IsSource(Type type)
    {
        if (type.IsByRef)
            type = type.GetElementType()!;
        return type == typeof(ReadOnlySpan<byte>) || type == typeof(Span<byte>) || type == typeof(ReadOnlySpan<char>) || type == typeof(BitReader) || type == typeof(Stream) || type == typeof(TextReader);
    }

    private static string NameOf(MethodInfo method)
    {
        string type = method.GetBaseDefinition().DeclaringType!.Name;
        return $"{(type.Contains('`', StringComparison.Ordinal) ? type[..type.IndexOf('`', StringComparison.Ordinal)] : type)}.{method.Name}";
    }

    private static Task<(int ExitCode, string Output)> RunAsync(TimeSpan patience, string[] arguments)
    {
        string configuration = AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal) ? "Debug" : "Release";
        string program = Path.Combine(CliProcess.RepositoryRoot, "tests", "Hectare.Fuzz", "bin", configuration, "net10.0", "hectare-fuzz.dll");
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        return ToolProcess.RunAsync(start, patience, TestContext.Current.CancellationToken);
    }
}
