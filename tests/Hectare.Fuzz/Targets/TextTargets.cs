using System.Globalization;
using System.Text;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Fuzz.Targets;

/// <summary>An address as an operator types it.</summary>
internal sealed class AddressTarget() : FuzzTarget("address", "an address and port, as text")
{
    public override int InputBytesMax => 80;

    // The framework's address is an object, and formatting makes a string.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 2048;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        var address = new PeerAddress(random.NextUInt64() << random.Next(0, 64), random.NextUInt64(), (ushort)random.NextUInt64());
        if (random.Next(0, 2) == 0)
            address = PeerAddress.FromIPv4((uint)random.NextUInt64(), random.Next(0, 65_536));
        return Encoding.ASCII.GetBytes(address.ToString(), destination);
    }

    public override RunResult Run(Span<byte> input)
    {
        Span<char> text = stackalloc char[input.Length];
        int length = Encoding.Latin1.GetChars(input, text);
        if (!PeerAddress.TryParse(text[..length], out PeerAddress address))
            return RunResult.Refused;
        Property.Holds(PeerAddress.TryParse(address.ToString(), out PeerAddress again) && again == address && PeerAddress.Parse(text[..length]) == address, $"{address} does not read back");
        return RunResult.Taken;
    }
}

/// <summary>A recorded link: text, a millisecond a line.</summary>
internal sealed class TraceTarget() : FuzzTarget("link-trace", "a recorded link, a millisecond a line")
{
    public override int InputBytesMax => 512;

    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => (256L * input.Length) + 8192;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        int written = 0, ms = 0;
        for (int lines = random.Next(1, 60); lines > 0; lines--)
        {
            ms += random.Next(0, 40);
            (ms + (lines == 1 ? 1 : 0)).TryFormat(destination[written..], out int digits, default, CultureInfo.InvariantCulture);
            written += digits;
            destination[written++] = (byte)'\n';
        }

        return written;
    }

    public override RunResult Run(Span<byte> input)
    {
        try
        {
            string text = Encoding.Latin1.GetString(input);
            var trace = LinkTrace.Parse(text);
            Property.Holds(LinkTracePair.Parse(new StringReader(text), new StringReader(text)).Down.PeriodMs == trace.PeriodMs, "a trace is not as long as itself");
            Property.Holds(trace.PeriodMs > 0 && double.IsFinite(trace.BitsPerSecond), "a trace without time");
            long first = trace.FirstAtOrAfter(0), later = trace.FirstAtOrAfter(trace.AtNs(first) + 1);
            Property.Holds(trace.AtNs(first) >= 0 && later > first && trace.AtNs(later) > trace.AtNs(first), "opportunities out of order");
            return RunResult.Taken;
        }
        catch (FormatException)
        {
            return RunResult.Refused;
        }
    }
}
