using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>What a recording begins with: all that must be equal for a replay to be.</summary>
public sealed record RecordingHeader
{
    /// <summary>The options that the zone ran with.</summary>
    public ZoneOptions Options { get; init; } = new();

    /// <summary>Sockets that the zone had: 1, or one for each network thread.</summary>
    public int Sockets { get; init; } = 1;

    /// <summary>Hash of the schema.</summary>
    public ulong SchemaHash { get; init; }

    /// <summary>SHA-256 of the map as hexadecimal digits; all zeros when there is none.</summary>
    public string MapHash { get; init; } = "";

    /// <summary>What the host needs to make the same game again (workload, seed, players), in its own words.</summary>
    public string Game { get; init; } = "";

    /// <summary>See <see cref="ZoneOptions.FirstTick"/>, which no file may set.</summary>
    internal uint FirstTick => Options.FirstTick;
}

/// <summary>What a recording ends with.</summary>
/// <param name="Ticks">Ticks run.</param>
/// <param name="Datagrams">Datagrams sent.</param>
/// <param name="Hash">Hash over all of them, see <see cref="OutboundHash"/>.</param>
public readonly record struct RecordingEnd(long Ticks, long Datagrams, ulong Hash);

/// <summary>What follows in a recording: first byte of each record.</summary>
internal enum RecordType : byte
{
    /// <summary>A tick begins: due i64, now i64, behind u8. What was received and drawn in it follows.</summary>
    Tick = 1,

    /// <summary>A datagram came: socket u8, address u64 u64 u16, bytes u16, the bytes.</summary>
    Datagram = 2,

    /// <summary>A random value was drawn: u64.</summary>
    Random = 3,

    /// <summary>The operator said something: bytes u16, UTF-8.</summary>
    Command = 4,

    /// <summary>Every client was disconnected: code u8, now i64.</summary>
    Close = 5,

    /// <summary>The zone ended in order: ticks i64, datagrams i64, hash u64.</summary>
    End = 6,

    /// <summary>An overloaded zone gave up more, or took some of it back: level u8. From the next tick on.</summary>
    Pressure = 7,

    /// <summary>How many may join within a tick from now on: u16.</summary>
    Joins = 8,
}

/// <summary>Writes down everything that a zone's run depends on. Tick thread only, between ticks and in their receive phase.</summary>
/// <remarks>
/// File: 'HREC', version u16, header bytes i32, header as JSON; then records (<see cref="RecordType"/>), little-endian. It holds every value drawn from the
/// zone's random source, so with encryption it will hold keys: written only on request, readable by its owner only. A write that fails throws and so
/// stops the zone: half a recording is none.
/// </remarks>
public sealed class ZoneRecorder : IDisposable
{
    internal const uint Magic = 0x43455248;   // 'HREC', little-endian
    internal const ushort Version = 3;
    private const int FlushBytes = 1 << 18;

    private readonly Stream _file;
    private readonly string _game;
    private readonly byte[] _buffer = new byte[FlushBytes + 4096];
    private int _used;

    /// <summary>Writes to <paramref name="file"/>, which it then owns. <paramref name="game"/> comes back as <see cref="RecordingHeader.Game"/>.</summary>
    public ZoneRecorder(Stream file, string game)
    {
        _file = file;
        _game = game;
    }

    /// <summary>Creates a file that only its owner may read (mode 0600).</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static ZoneRecorder Create(string path, string game)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new ZoneRecorder(new FileStream(path, options), game);
    }

    internal void Begin(ZoneOptions options, int sockets, ulong schemaHash, in Hash256 mapHash)
    {
        var header = new RecordingHeader { Options = options, Sockets = sockets, SchemaHash = schemaHash, MapHash = mapHash.ToString(), Game = _game };
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(header, RecordingJson.Options);
        BinaryPrimitives.WriteUInt32LittleEndian(Next(4), Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(Next(2), Version);
        BinaryPrimitives.WriteInt32LittleEndian(Next(4), json.Length);
        Flush();
        _file.Write(json);
    }

    internal void Tick(long dueNs, long nowNs, bool behind)
    {
        Span<byte> record = Next(RecordType.Tick, 17);
        BinaryPrimitives.WriteInt64LittleEndian(record, dueNs);
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], nowNs);
        record[16] = behind ? (byte)1 : (byte)0;
    }

    internal void Datagram(int socket, in PeerAddress from, ReadOnlySpan<byte> datagram)
    {
        Span<byte> record = Next(RecordType.Datagram, 21 + datagram.Length);
        record[0] = (byte)socket;
        BinaryPrimitives.WriteUInt64LittleEndian(record[1..], from.High);
        BinaryPrimitives.WriteUInt64LittleEndian(record[9..], from.Low);
        BinaryPrimitives.WriteUInt16LittleEndian(record[17..], from.Port);
        BinaryPrimitives.WriteUInt16LittleEndian(record[19..], (ushort)datagram.Length);
        datagram.CopyTo(record[21..]);
    }

    internal void Random(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Next(RecordType.Random, 8), value);

    internal void Command(string command)
    {
        int bytes = Encoding.UTF8.GetByteCount(command);
        Span<byte> record = Next(RecordType.Command, 2 + bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(record, (ushort)bytes);
        Encoding.UTF8.GetBytes(command, record[2..]);
    }

    internal void Close(CloseCode code, long nowNs)
    {
        Span<byte> record = Next(RecordType.Close, 9);
        record[0] = (byte)code;
        BinaryPrimitives.WriteInt64LittleEndian(record[1..], nowNs);
    }

    internal void Pressure(PressureLevel level) => Next(RecordType.Pressure, 1)[0] = (byte)level;

    internal void Joins(int perTick) => BinaryPrimitives.WriteUInt16LittleEndian(Next(RecordType.Joins, 2), (ushort)perTick);

    internal void End(in RecordingEnd end)
    {
        Span<byte> record = Next(RecordType.End, 24);
        BinaryPrimitives.WriteInt64LittleEndian(record, end.Ticks);
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], end.Datagrams);
        BinaryPrimitives.WriteUInt64LittleEndian(record[16..], end.Hash);
        Flush();
        _file.Flush();
    }

    /// <summary>Writes what is still held and closes the file.</summary>
    public void Dispose()
    {
        Flush();
        _file.Dispose();
    }

    private Span<byte> Next(RecordType type, int bytes)
    {
        Next(1)[0] = (byte)type;
        return Next(bytes);
    }

    private Span<byte> Next(int bytes)
    {
        if (_used + bytes > _buffer.Length)
            Flush();
        Span<byte> place = _buffer.AsSpan(_used, bytes);
        _used += bytes;
        return place;
    }

    private void Flush()
    {
        _file.Write(_buffer, 0, _used);
        _used = 0;
    }
}

/// <summary>How a recording's header is written and read.</summary>
internal static class RecordingJson
{
    public static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, IgnoreReadOnlyProperties = true, RespectNullableAnnotations = true };
}

/// <summary>A random source that writes down what it draws.</summary>
internal sealed class RecordedRandom(ZoneRandom source, ZoneRecorder recorder) : ZoneRandom
{
    public override ulong Next()
    {
        ulong value = source.Next();
        recorder.Random(value);
        return value;
    }
}
