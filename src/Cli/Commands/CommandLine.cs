using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Hectare.Cli.Commands;

/// <summary>Runs the command line: one line and exit 2 for bad input, 30 s for a clean end after Ctrl-C.</summary>
internal static class CommandLine
{
    /// <summary>Exit code of a run that failed.</summary>
    public const int Failed = 1;

    /// <summary>Exit code of bad input.</summary>
    public const int BadInput = 2;

    // The library ends the process 2 s after Ctrl-C with 130, in the middle of a report; null turns signals off altogether.
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(30);

    /// <summary>Parses and runs.</summary>
    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        if (root.Options.OfType<HelpOption>().FirstOrDefault() is { Action: HelpAction help } option)
            option.Action = new HelpWithExamples(help);
        ParseResult result = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (result.Errors.Count > 0 && result.Action is not HelpWithExamples)
        {
            await Console.Error.WriteLineAsync($"hectare: {Explain(result)}");
            return BadInput;
        }

        try
        {
            CipherSwitch.Read();
            return await result.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = EndTime, EnableDefaultExceptionHandler = false });
        }
        catch (BadInputException bad)
        {
            await Console.Error.WriteLineAsync($"hectare: {bad.Message}");
            return BadInput;
        }
        catch (RunFailedException failed)
        {
            await Console.Error.WriteLineAsync($"hectare: {failed.Message}");
            return Failed;
        }
    }

    private static string Explain(ParseResult result)
    {
        Command command = result.CommandResult.Command;
        if (result.UnmatchedTokens.Count > 0)
        {
            string token = result.UnmatchedTokens[0];
            return command.Subcommands.Count > 0 && !token.StartsWith('-')
                ? $"{token}: no such command; there are {Names(command.Subcommands)}"
                : $"{token}: unknown option of '{PathOf(command)}'; it takes {Names(command.Options)}";
        }

        if (command.Subcommands.Count > 0 && command.Action is null)
            return $"name a command: {Names(command.Subcommands)}; --help tells of each";
        return command.Arguments.FirstOrDefault(argument => argument.Arity.MinimumNumberOfValues > 0 && result.GetResult(argument) is not { Tokens.Count: > 0 }) is { } missing
            ? $"{missing.Name}: needs a value: {missing.Description}"
            : result.Errors[0].Message.ReplaceLineEndings(" ");
    }

    private sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int code = help.Invoke(parseResult);
            if (parseResult.CommandResult.Command is TeachingCommand { Teaching: { Length: > 0 } teaching })
                parseResult.InvocationConfiguration.Output.WriteLine(teaching);
            return code;
        }
    }

    private static string Names(IEnumerable<Symbol> symbols) => string.Join(", ", symbols.Where(symbol => !symbol.Hidden).Select(symbol => symbol.Name));

    private static string PathOf(Command command)
    {
        string path = command is RootCommand ? "hectare" : command.Name;
        return command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{PathOf(parent)} {path}" : path;
    }
}

/// <summary>A command whose <c>--help</c> goes on after its options: examples, and what the output means.</summary>
internal sealed class TeachingCommand(string name, string description, string teaching) : Command(name, description)
{
    /// <summary>Printed under the options.</summary>
    public string Teaching { get; } = teaching;
}

/// <summary>An option's value turned out to be wrong when it was used: one line, exit 2.</summary>
internal sealed class BadInputException(string message) : Exception(message);

/// <summary>A run that did not do what was asked: one line with the reason, exit 1.</summary>
internal sealed class RunFailedException(string message) : Exception(message);
