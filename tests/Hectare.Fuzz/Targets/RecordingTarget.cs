using System.Buffers.Binary;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Fuzz.Targets;

/// <summary>A recording's file, record by record, without the zone that it is for. It refuses by one exception alone.</summary>
internal sealed class RecordingTarget() : FuzzTarget("recording", "a recording: its header, its records")
{
    private const int PoolSize = 16;
    private const int HeadBytes = 10;   // 'HREC', version, length of the header

    private static readonly byte[][] Values =
        [[.. "null"u8], [.. "{}"u8], [.. "[]"u8], [.. "\"\""u8], [.. "0"u8], [.. "-1"u8], [.. "1e999"u8], [.. "4294967296"u8], [.. "9223372036854775808"u8], [.. "true"u8], [.. "{\"value\":1}"u8]];

    private readonly List<byte[]> _pool = [];
    private readonly ReplaySocket[] _sockets = [new(), new()];

    public override int InputBytesMax => 4096;

    // The header may say that it has 1 MB; the buffer of the file is 64 kB.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => (1 << 20) + (1 << 18);

    public override void Begin()
    {
        var random = new SeededRandom(1);
        for (int i = 0; i < PoolSize; i++)
            _pool.Add(Record(ref random));
    }

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        byte[] file = _pool[random.Next(0, _pool.Count)];
        file.CopyTo(destination);
        return file.Length;
    }

    // One value of the header becomes another kind of value.
    public override int Break(ref SeededRandom random, Span<byte> work, int length)
    {
        if (random.Next(0, 3) != 0)
            length = Mutator.Mutate(ref random, work, length);
        int at = random.Next(0, length + 1);
        int colon = work[at..length].IndexOf((byte)':');
        if (colon < 0)
            return length;
        int start = at + colon + 1, end = EndOfValue(work[..length], start);
        ReadOnlySpan<byte> value = Values[random.Next(0, Values.Length)];
        if (start + value.Length + length - end > work.Length)
            return length;
        work[end..length].CopyTo(work[(start + value.Length)..]);
        value.CopyTo(work[start..]);
        return start + value.Length + length - end;
    }

    // Mutations land in the header, most of a file; a header whose length fits lets them go on to its text.
    public override void Repair(ref SeededRandom random, Span<byte> input)
    {
        int end = input.LastIndexOf("}"u8);
        if (input.Length >= HeadBytes && end >= HeadBytes)
            BinaryPrimitives.WriteInt32LittleEndian(input[6..], end + 1 - HeadBytes);
    }

    public override RunResult Run(Span<byte> input)
    {
        using var reader = new RecordingReader(new MemoryStream(input.ToArray()));
        try
        {
            RecordingHeader header = reader.ReadHeader();
            Property.Holds(header.Options is { Replication: not null } && header.Game is not null && header.MapHash is not null, "a header with nothing where something must be");
            ReadRecords(reader);
            return RunResult.Taken;
        }
        catch (RecordingException)
        {
            return RunResult.Refused;
        }
        finally
        {
            Drain();
        }
    }

    private void ReadRecords(RecordingReader reader)
    {
        var random = new ReplayedRandom();
        reader.ReadInputs(random, _sockets);
        while (reader.TryReadType(out RecordType type))
        {
            switch (type)
            {
                case RecordType.Tick:
                    reader.ReadTick();
                    reader.ReadInputs(random, _sockets);
                    break;
                case RecordType.Command:
                    reader.ReadText();
                    break;
                case RecordType.Close:
                    reader.ReadByte();
                    reader.ReadInt64();
                    break;
                case RecordType.End:
                    reader.ReadInt64();
                    reader.ReadInt64();
                    reader.ReadInt64();
                    return;
                default:
                    throw new RecordingException("no such record");
            }
        }
    }

    private static int EndOfValue(ReadOnlySpan<byte> json, int start)
    {
        int depth = 0;
        for (int i = start; i < json.Length; i++)
        {
            if (depth == 0 && json[i] is (byte)',' or (byte)'}')
                return i;
            depth += json[i] == (byte)'{' ? 1 : json[i] == (byte)'}' ? -1 : 0;
        }

        return json.Length;
    }

    private void Drain()
    {
        var batch = new DatagramBatch(4);
        foreach (ReplaySocket socket in _sockets)
        {
            while (socket.Receive(batch) > 0)
            {
            }
        }
    }

    private static byte[] Record(ref SeededRandom random)
    {
        var file = new MemoryStream();
        using var recorder = new ZoneRecorder(file, "{\"seed\":1}");
        recorder.Begin(new ZoneOptions { PlayersMax = random.Next(1, 100), Threads = random.Next(0, 3) }, random.Next(1, 3), random.NextUInt64(), default);
        Span<byte> datagram = stackalloc byte[100];
        for (int ticks = random.Next(0, 6); ticks > 0; ticks--)
        {
            recorder.Tick((long)random.NextUInt64(), random.Next(0, 1 << 30), random.Next(0, 2) == 0);
            for (int i = random.Next(0, 4); i > 0; i--)
                recorder.Datagram(random.Next(0, 2), PeerAddress.Loopback(i), datagram[..random.Next(0, 100)]);
            for (int i = random.Next(0, 3); i > 0; i--)
                recorder.Random(random.NextUInt64());
            if (random.Next(0, 4) == 0)
                recorder.Command("freeze");
        }

        recorder.Close(CloseCode.ShuttingDown, 1);
        recorder.End(new RecordingEnd(1, 2, 3));
        return file.ToArray();
    }
}
