using System.CommandLine;

namespace Hectare.Cli.Commands;

/// <summary>A process that another <c>hectare</c> started: in a session of its own, and never outliving its parent.</summary>
internal sealed class ChildMode : IDisposable
{
    /// <summary>The hidden option that says so.</summary>
    public static readonly Option<bool> Option = new("--child") { Hidden = true, Arity = ArgumentArity.Zero };

    private readonly CancellationTokenSource _stop;

    private ChildMode(bool isChild, CancellationToken cancel)
    {
        IsChild = isChild;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
    }

    /// <summary>True in such a process.</summary>
    public bool IsChild { get; }

    /// <summary>Cancelled by Ctrl-C, and when the parent is gone.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>Does what the option asks for.</summary>
    public static ChildMode Enter(ParseResult parse, CancellationToken cancel)
    {
        var mode = new ChildMode(parse.GetValue(Option), cancel);
        if (!mode.IsChild)
            return mode;

        // A session of its own also keeps the terminal's Ctrl-C away: the parent hears it and ends us in order.
        Libc.TryStartSession();
        new Thread(mode.WatchParent) { IsBackground = true, Name = "parent" }.Start();
        return mode;
    }

    /// <inheritdoc/>
    public void Dispose() => _stop.Dispose();

    // The parent holds the other end of standard input; the system closes it however the parent ends.
    private void WatchParent()
    {
        try
        {
            while (Console.In.Read() >= 0)
            {
            }

            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // We were done before the parent was.
        }
    }
}
