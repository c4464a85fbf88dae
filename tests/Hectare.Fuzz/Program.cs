using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hectare.Fuzz.Engine;
using Hectare.Fuzz.Targets;

namespace Hectare.Fuzz;

/// <summary>The program <c>hectare-fuzz</c>. Exit codes: 0 nothing found, 1 a failure, 2 bad input.</summary>
internal static class Program
{
    private const long InputsDefault = 10_000_000;

    private static readonly Option<double?> Seconds = new("--seconds") { Description = "time a target; without it only --inputs ends one" };
    private static readonly Option<double?> Total = new("--total") { Description = "time of the whole run, shared among the targets" };
    private static readonly Option<long> Inputs = new("--inputs") { Description = "inputs a target", DefaultValueFactory = _ => InputsDefault };
    private static readonly Option<ulong> Seed = new("--seed") { Description = "what all inputs are made from", DefaultValueFactory = _ => 1 };
    private static readonly Option<string[]> Target = new("--target") { Description = "only these targets (see --list)", AllowMultipleArgumentsPerToken = true };
    private static readonly Option<int> Jobs = new("--jobs") { Description = "targets at a time", DefaultValueFactory = _ => 2 };
    private static readonly Option<double> Hang = new("--hang") { Description = "seconds after which an input is taken to run for ever", DefaultValueFactory = _ => 10 };
    private static readonly Option<string?> Replay = new("--replay") { Description = "run this file once as an input of --target" };
    private static readonly Option<string> FailureFolder = new("--failures") { Description = "where failing inputs are written", DefaultValueFactory = _ => "fuzz-failures" };
    private static readonly Option<string> CorpusFolder = new("--corpus") { Description = "the corpus to start from", DefaultValueFactory = _ => Corpus.BuiltFolder };
    private static readonly Option<string?> Json = new("--json") { Description = "write the figures of the run to this file" };
    private static readonly Option<bool> List = new("--list") { Description = "name the targets and what they read" };
    private static readonly Option<string?> MakeCorpus = new("--make-corpus") { Description = "make the corpus anew, in this folder or in the checkout's", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string?> Child = new("--child") { Hidden = true };

    private static Task<int> Main(string[] args)
    {
        var root = new RootCommand("Fuzzes every reader of Hectare, one whole connection and one whole zone. See docs/fuzzing.md.")
        {
            Seconds, Total, Inputs, Seed, Target, Jobs, Hang, Replay, FailureFolder, CorpusFolder, Json, List, MakeCorpus, Child,
        };
        root.SetAction(RunAsync);
        return root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null }).InvokeAsync();
    }

    private static async Task<int> RunAsync(ParseResult parse, CancellationToken cancel)
    {
        try
        {
            if (parse.GetValue(List))
                return ListTargets();
            if (parse.GetResult(MakeCorpus) is not null)
                return MakePacks(parse.GetValue(MakeCorpus) ?? Corpus.SourceFolder());
            IReadOnlyList<FuzzTarget> targets = TargetList.Named(parse.GetValue(Target) ?? []);
            FuzzLimits limits = Limits(parse, targets.Count);
            if (parse.GetValue(Replay) is { } file)
                return ReplayFile(parse, limits, targets, file);
            if (parse.GetValue(Child) is { } lastInputPath)
                return RunAsChild(parse, limits, targets.Single(), lastInputPath);
            var fleet = new Fleet(limits, parse.GetValue(Jobs), parse.GetValue(FailureFolder)!, parse.GetValue(CorpusFolder)!, new Screen());
            return Conclude(parse, await fleet.RunAsync(targets, cancel));
        }
        catch (FuzzException problem)
        {
            await Console.Error.WriteLineAsync($"hectare-fuzz: {problem.Message}");
            return 2;
        }
    }

    private static FuzzLimits Limits(ParseResult parse, int targetCount)
    {
        (long inputs, int jobs, double hang) = (parse.GetValue(Inputs), parse.GetValue(Jobs), parse.GetValue(Hang));
        if (inputs < 1 || jobs is < 1 or > 64 || hang <= 0)
            throw new FuzzException("--inputs must be 1 or more, --jobs 1 to 64, --hang more than 0 s");
        double? seconds = parse.GetValue(Total) is { } total ? total / Math.Ceiling((double)targetCount / jobs) : parse.GetValue(Seconds);
        return seconds is null or > 0
            ? new FuzzLimits(parse.GetValue(Seed), inputs, seconds, TimeSpan.FromSeconds(hang))
            : throw new FuzzException("--seconds and --total must be more than 0");
    }

    private static int ListTargets()
    {
        foreach (FuzzTarget target in TargetList.All)
            Console.WriteLine($"{target.Name,-18} {target.Reads}");
        return 0;
    }

    private static int MakePacks(string folder)
    {
        long bytes = Corpus.Make(folder, TargetList.All);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes in {folder}"));
        return 0;
    }

    private static int ReplayFile(ParseResult parse, FuzzLimits limits, IReadOnlyList<FuzzTarget> targets, string file)
    {
        if (parse.GetValue(Target) is not { Length: 1 })
            throw new FuzzException("--replay needs one --target");
        if (!File.Exists(file))
            throw new FuzzException($"--replay {file}: there is no such file");
        byte[] input = File.ReadAllBytes(file);
        if (input.Length > targets[0].InputBytesMax)
            throw new FuzzException($"--replay {file}: an input of {targets[0].Name} has at most {targets[0].InputBytesMax} bytes");
        return InProcess(parse, limits, targets[0], [], Path.GetTempFileName(), run => run.Replay(input), new Screen().Done);
    }

    private static int RunAsChild(ParseResult parse, FuzzLimits limits, FuzzTarget target, string lastInputPath)
    {
        void Say(ChildLine line) => Console.WriteLine(JsonSerializer.Serialize(line, FuzzJson.Compact));
        return InProcess(parse, limits, target, Corpus.Load(parse.GetValue(CorpusFolder)!, target), lastInputPath,
            run => run.Run(progress => Say(new ChildLine(progress, null))), report => Say(new ChildLine(null, report)));
    }

    private static int InProcess(ParseResult parse, FuzzLimits limits, FuzzTarget target, List<byte[]> corpus, string lastInputPath, Func<TargetRun, TargetReport> work, Action<TargetReport> tell)
    {
        void OnHang(TargetReport report)
        {
            tell(report);
            Environment.Exit(1);
        }

        using var run = new TargetRun(target, limits, corpus, new Failures(parse.GetValue(FailureFolder)!), lastInputPath, OnHang);
        TargetReport done = work(run);
        tell(done);
        return done.Failure is null ? 0 : 1;
    }

    private static int Conclude(ParseResult parse, FleetReport report)
    {
        if (parse.GetValue(Json) is { } path)
            File.WriteAllText(path, JsonSerializer.Serialize(report, FuzzJson.Indented));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Targets.Count} targets, {report.Targets.Sum(target => target.Inputs):N0} inputs, {report.Failed} failed, {report.Seconds:0} s, seed {report.Seed}"));
        return report.Failed == 0 ? 0 : 1;
    }
}
