using System.Text;
using Hectare.Cli.Dissection;

namespace Hectare.Tests.Wire;

/// <summary>Reads messages by their tables: what the dissector's Lua does, in C#, one bit at a time. Rules are the caller's.</summary>
internal sealed class TableReader(byte[] data, Action<TableReader, Rule, TableScope>? rules = null)
{
    /// <summary>Bits read so far.</summary>
    public int Position { get; private set; }

    /// <summary>Bits left.</summary>
    public int Remaining => (data.Length * 8) - Position;

    /// <summary>Reads a message into a new scope.</summary>
    /// <exception cref="MalformedException">It is none.</exception>
    public TableScope Read(Message message, TableScope? outer = null)
    {
        var scope = new TableScope(outer);
        Run(message.Parts, scope);
        return scope;
    }

    public long Take(int bits)
    {
        if (bits > Remaining)
            throw new MalformedException("the bits run out");
        ulong value = 0;
        for (int i = 0; i < bits; i++, Position++)
            value |= (ulong)(data[Position >> 3] >> (Position & 7) & 1) << i;
        return (long)value;
    }

    public byte[] TakeBytes(long count)
    {
        if (count * 8 > Remaining)
            throw new MalformedException("the bytes run out");
        byte[] bytes = new byte[count];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)Take(8);
        return bytes;
    }

    private void Run(Part[] parts, TableScope scope)
    {
        foreach (Part part in parts)
            Run(part, scope);
    }

    private void Run(Part part, TableScope scope)
    {
        switch (part)
        {
            case Bits bits:
                int size = (int)SizeOf(bits.Size, scope);
                long value = Take(size);
                scope.Numbers[bits.Name] = bits.Look == Look.Signed ? value << (64 - size) >> (64 - size) : value;
                break;
            case Golomb golomb:
                scope.Numbers[golomb.Name] = TakeGolomb((int)SizeOf(golomb.Order, scope));
                break;
            case SignedGolomb golomb:
                long zigzag = TakeGolomb((int)SizeOf(golomb.Order, scope));
                scope.Numbers[golomb.Name] = (zigzag & 1) != 0 ? -((zigzag + 1) / 2) : zigzag / 2;
                break;
            case Ones ones:
                int count = 0;
                while (count < ones.Most && Take(1) == 1)
                    count++;
                scope.Numbers[ones.Name] = count;
                break;
            case Bytes bytes:
                Assert.True(Position % 8 == 0, $"{bytes.Name} stands at no byte boundary");
                scope.Blobs[bytes.Name] = TakeBytes(SizeOf(bytes.Count, scope));
                break;
            case Utf8 text:
                scope.Blobs[text.Name] = TakeBytes(SizeOf(text.Count, scope));
                break;
            case Rest rest:
                scope.Blobs[rest.Name] = TakeBytes(Math.Max(0, (Remaining / 8) - rest.Before));
                break;
            case Check check:
                if (scope[check.Name] < check.Min || scope[check.Name] > check.Max)
                    throw new MalformedException($"{check.Name} is {scope[check.Name]}");
                break;
            case When condition:
                if (scope[condition.Name] >= condition.Min && scope[condition.Name] <= condition.Max)
                    Run(condition.Parts, scope);
                break;
            case Repeat repeat:
                RunRepeat(repeat, scope);
                break;
            case Use use:
                Run(use.Message.Parts, scope);
                break;
            case Do rule:
                rules?.Invoke(this, rule.Rule, scope);
                break;
            default:
                throw new InvalidOperationException($"no reader for {part}");
        }
    }

    private void RunRepeat(Repeat repeat, TableScope scope)
    {
        List<TableScope> list = [];
        long count = SizeOf(repeat.Count, scope) + repeat.Plus;
        for (int i = 0; i < count; i++)
        {
            var child = new TableScope(scope);
            child.Numbers[repeat.Name + " index"] = i;
            list.Add(child);
            Run(repeat.Parts, child);
        }

        scope.Lists[repeat.Name] = list;
    }

    private long TakeGolomb(int order)
    {
        int ones = 0;
        while (Take(1) == 1)
        {
            if (++ones > 32)
                throw new MalformedException("a Golomb code that no writer makes");
        }

        if (ones + order > 32)
            throw new MalformedException("a Golomb code that no writer makes");
        long value = (1L << (ones + order)) + Take(ones + order) - (1L << order);
        return value <= uint.MaxValue ? value : throw new MalformedException("a Golomb code that no writer makes");
    }

    private static long SizeOf(Size size, TableScope scope) => size.Name is { } name ? scope[name] : size.Number;
}

/// <summary>The values of a message, or of one of its repetitions; a name that it lacks is looked up in the scope around it.</summary>
internal sealed class TableScope(TableScope? outer)
{
    public Dictionary<string, long> Numbers { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, byte[]> Blobs { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, List<TableScope>> Lists { get; } = new(StringComparer.Ordinal);

    public long this[string name] => TryGet(name, out long value) ? value : throw new MalformedException($"no {name}");

    public bool Has(string name) => TryGet(name, out _);

    public string Text(string name) => Encoding.UTF8.GetString(Blobs[name]);

    private bool TryGet(string name, out long value) => Numbers.TryGetValue(name, out value) || (outer is not null && outer.TryGet(name, out value));
}

/// <summary>Bytes that are no such message.</summary>
internal sealed class MalformedException(string message) : Exception(message);
