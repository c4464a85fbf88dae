using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>A recording that cannot be replayed: not one, cut short, or of another game. The message says which.</summary>
#pragma warning disable RCS1194 // made here alone, always with its reason
public sealed class RecordingException(string message) : Exception(message);
#pragma warning restore RCS1194

/// <summary>Runs a recorded zone again: same datagrams in, same times, same random values; so the same datagrams out, byte for byte.</summary>
/// <typeparam name="TInput">The game's input.</typeparam>
public sealed class ZoneReplay<TInput> : IDisposable
    where TInput : struct, IInput<TInput>
{
    private readonly RecordingReader _reader;
    private readonly ReplayedRandom _random = new();
    private readonly ReplaySocket[] _sockets;

    /// <summary>Opens a recording and makes its zone, ready for the first tick.</summary>
    /// <param name="file">The recording; owned from here on.</param>
    /// <param name="makeGame">Makes what <see cref="RecordingHeader.Game"/> names, in the state it started in.</param>
    /// <param name="observer">Looks at the replayed zone.</param>
    /// <exception cref="RecordingException">It is no recording of this version, or of another schema or map.</exception>
    public ZoneReplay(Stream file, Func<RecordingHeader, ReplayedGame<TInput>> makeGame, IZoneObserver? observer = null)
    {
        _reader = new RecordingReader(file);
        Header = _reader.ReadHeader();
        ReplayedGame<TInput> game = makeGame(Header);
        if (game.Schema.Hash != Header.SchemaHash)
            throw new RecordingException("the recording was made with another schema");
        _sockets = new ReplaySocket[Header.Sockets];
        for (int i = 0; i < _sockets.Length; i++)
            _sockets[i] = new ReplaySocket();
        _reader.ReadInputs(_random, _sockets);
        // One thread whatever the recording had: peers are independent, so the bytes are the same.
        ZoneOptions options = Header.Options with { Threads = 0 };
        Zone = new Zone<TInput>(options, game.Schema, game.Game, game.Tiles, _random, _sockets, new ZoneHooks { Observer = observer, HashOutbound = true });
        if (Zone.MapHash.ToString() == Header.MapHash)
            return;
        Dispose();
        throw new RecordingException("the recording was made with another map");
    }

    /// <summary>What the recording began with.</summary>
    public RecordingHeader Header { get; }

    /// <summary>The zone as it was after the tick run last.</summary>
    public Zone<TInput> Zone { get; }

    /// <summary>What the recording ended with; null before its end is reached, and for one that was cut short.</summary>
    public RecordingEnd? Recorded { get; private set; }

    /// <summary>What the replay came to so far.</summary>
    public RecordingEnd Replayed => Zone.End;

    /// <summary>True once both have ended and are equal.</summary>
    public bool IsEqual => Recorded == Replayed;

    /// <summary>Runs up to and with the next recorded tick.</summary>
    /// <returns>False at the recording's end.</returns>
    /// <exception cref="RecordingException">The file is damaged.</exception>
    public bool TryRunTick()
    {
        while (_reader.TryReadType(out RecordType type))
        {
            switch (type)
            {
                case RecordType.Tick:
                    (long dueNs, long nowNs, bool behind) = _reader.ReadTick();
                    _reader.ReadInputs(_random, _sockets);
                    Zone.RunTick(dueNs, nowNs, behind);
                    return true;
                case RecordType.Command:
                    Zone.Command(_reader.ReadText());
                    break;
                case RecordType.Close:
                    Zone.Close((CloseCode)_reader.ReadByte(), _reader.ReadInt64());
                    break;
                case RecordType.Pressure:
                    Zone.SetPressure(_reader.ReadLevel());
                    break;
                case RecordType.Joins:
                    Zone.SetJoins(_reader.ReadJoins());
                    break;
                case RecordType.End:
                    Recorded = new RecordingEnd(_reader.ReadInt64(), _reader.ReadInt64(), (ulong)_reader.ReadInt64());
                    return false;
                default:
                    throw new RecordingException($"the recording is damaged: record type {(byte)type} between two ticks");
            }
        }

        return false;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        Zone.Dispose();
        _reader.Dispose();
    }
}

/// <summary>What a replay needs of the host: the game as it was when the recording began.</summary>
/// <param name="Schema">Its schema.</param>
/// <param name="Game">The game, fresh.</param>
/// <param name="Tiles">Its map.</param>
public sealed record ReplayedGame<TInput>(Schema Schema, IGame<TInput> Game, ITiles Tiles)
    where TInput : struct, IInput<TInput>;

/// <summary>Gives out the recorded values in their order.</summary>
internal sealed class ReplayedRandom : ZoneRandom
{
    private readonly Queue<ulong> _values = new();

    public void Add(ulong value) => _values.Enqueue(value);

    public override ulong Next() => _values.TryDequeue(out ulong value) ? value : throw new RecordingException("the replay draws more random values than the zone did: it went another way");
}

/// <summary>Gives a zone the datagrams of one recorded tick; what it sends goes nowhere.</summary>
internal sealed class ReplaySocket : IDatagramSocket
{
    private readonly Queue<(PeerAddress From, byte[] Bytes)> _arrived = new();

    public PeerAddress LocalAddress => default;

    public SocketCounters Counters { get; } = new();

    public void Add(PeerAddress from, byte[] bytes) => _arrived.Enqueue((from, bytes));

    public int Receive(DatagramBatch batch)
    {
        batch.Clear();
        while (!batch.IsFull && _arrived.TryDequeue(out (PeerAddress From, byte[] Bytes) datagram))
        {
            datagram.Bytes.CopyTo(batch.Buffer(batch.Count));
            batch.Add(datagram.From, datagram.Bytes.Length);
        }

        return batch.Count;
    }

    public int Send(DatagramBatch batch) => batch.Count;

    public void Dispose()
    {
    }
}

/// <summary>Reads a recording record by record.</summary>
internal sealed class RecordingReader(Stream file) : IDisposable
{
    private const int HeaderBytesMax = 1 << 20;

    private readonly BufferedStream _file = new(file, 1 << 16);
    private readonly byte[] _scratch = new byte[DatagramBatch.SlotBytes];
    private int _peeked = -1;

    public RecordingHeader ReadHeader()
    {
        if ((uint)ReadInt32() != ZoneRecorder.Magic)
            throw new RecordingException("this is no recording of a zone");
        int version = ReadUInt16();
        if (version != ZoneRecorder.Version)
            throw new RecordingException($"the recording has version {version}; this program replays version {ZoneRecorder.Version}");
        int bytes = ReadInt32();
        if (bytes is < 0 or > HeaderBytesMax)
            throw new RecordingException("the recording's header is damaged");
        byte[] json = new byte[bytes];
        Fill(json);
        try
        {
            RecordingHeader header = JsonSerializer.Deserialize<RecordingHeader>(json, RecordingJson.Options) ?? throw new RecordingException("the recording's header is empty");
            header.Options.Validate();
            OptionException.Check(nameof(header.Sockets), header.Sockets, 1, 16, "sockets");
            return header;
        }
        catch (Exception broken) when (broken is JsonException or OptionException)
        {
            throw new RecordingException($"the recording's header is damaged: {broken.Message}");
        }
    }

    /// <summary>The type of the next record, which is then read; false at the end of the file.</summary>
    public bool TryReadType(out RecordType type)
    {
        int next = Peek();
        _peeked = -1;
        type = (RecordType)next;
        return next >= 0;
    }

    public (long DueNs, long NowNs, bool Behind) ReadTick() => (ReadInt64(), ReadInt64(), ReadByte() != 0);

    /// <summary>Reads the datagrams and random values that follow.</summary>
    public void ReadInputs(ReplayedRandom random, ReplaySocket[] sockets)
    {
        while (Peek() is (int)RecordType.Datagram or (int)RecordType.Random)
        {
            bool isRandom = _peeked == (int)RecordType.Random;
            _peeked = -1;
            if (isRandom)
                random.Add((ulong)ReadInt64());
            else
                ReadDatagram(sockets);
        }
    }

    public string ReadText()
    {
        byte[] bytes = new byte[ReadUInt16()];
        Fill(bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    public byte ReadByte()
    {
        Fill(_scratch.AsSpan(0, 1));
        return _scratch[0];
    }

    public PressureLevel ReadLevel()
    {
        byte level = ReadByte();
        return level < PressureLevels.Count ? (PressureLevel)level : throw new RecordingException($"the recording is damaged: pressure level {level}");
    }

    public int ReadJoins()
    {
        int joins = ReadUInt16();
        return joins > 0 ? joins : throw new RecordingException("the recording is damaged: nobody may join");
    }

    public long ReadInt64()
    {
        Fill(_scratch.AsSpan(0, 8));
        return BinaryPrimitives.ReadInt64LittleEndian(_scratch);
    }

    public void Dispose() => _file.Dispose();

    private void ReadDatagram(ReplaySocket[] sockets)
    {
        int socket = ReadByte();
        var from = new PeerAddress((ulong)ReadInt64(), (ulong)ReadInt64(), ReadUInt16());
        byte[] bytes = new byte[ReadUInt16()];
        if (socket >= sockets.Length || bytes.Length > DatagramBatch.SlotBytes)
            throw new RecordingException("the recording is damaged: a datagram of a socket or size that cannot be");
        Fill(bytes);
        sockets[socket].Add(from, bytes);
    }

    private int ReadInt32()
    {
        Fill(_scratch.AsSpan(0, 4));
        return BinaryPrimitives.ReadInt32LittleEndian(_scratch);
    }

    private ushort ReadUInt16()
    {
        Fill(_scratch.AsSpan(0, 2));
        return BinaryPrimitives.ReadUInt16LittleEndian(_scratch);
    }

    private int Peek()
    {
        if (_peeked < 0)
            _peeked = _file.ReadByte();
        return _peeked;
    }

    private void Fill(Span<byte> bytes)
    {
        try
        {
            _file.ReadExactly(bytes);
        }
        catch (EndOfStreamException)
        {
            throw new RecordingException("the recording is cut short");
        }
    }
}
