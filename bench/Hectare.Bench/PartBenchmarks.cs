using BenchmarkDotNet.Attributes;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Bench;

/// <summary>Bits in and out, with the widths of a snapshot of the workload uniform. An operation is one value.</summary>
public class BitBenchmarks
{
    private const int Values = 256;

    // What a snapshot is made of: gaps and operations (1 to 4), masks and counts (2 to 9), quanta and steps (14 to 28), ids.
    private static readonly byte[] Widths = [1, 3, 2, 24, 1, 3, 2, 9, 4, 1, 22, 2, 3, 1, 28, 14, 14, 32, 5, 2];

    private readonly ulong[] _values = new ulong[Values];
    private readonly byte[] _bits = new byte[Values];
    private readonly byte[] _packet = new byte[PacketHeader.DatagramBytesMax];

    /// <summary>Draws the values, and writes a packet to be read.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        var random = new SeededRandom(1);
        for (int i = 0; i < Values; i++)
        {
            _bits[i] = Widths[i % Widths.Length];
            _values[i] = random.NextUInt64() & ((1UL << _bits[i]) - 1);
        }

        Write();
        if (Read() != _values.Aggregate((sum, value) => sum + value))
            throw new InvalidOperationException("what was read is not what was written");
    }

    /// <summary>Writes a packet.</summary>
    [Benchmark(OperationsPerInvoke = Values)]
    public int Write()
    {
        long begun = AllocationMeter.Begin();
        var writer = new BitWriter(_packet);
        for (int i = 0; i < Values; i++)
            writer.Write(_values[i], _bits[i]);
        int bytes = writer.Finish().Length;
        AllocationMeter.End("BitBenchmarks.Write", begun);
        return bytes;
    }

    /// <summary>Reads it.</summary>
    [Benchmark(OperationsPerInvoke = Values)]
    public ulong Read()
    {
        long begun = AllocationMeter.Begin();
        var reader = new BitReader(_packet);
        ulong sum = 0;
        for (int i = 0; i < Values; i++)
            sum += reader.Read(_bits[i]);
        AllocationMeter.End("BitBenchmarks.Read", begun);
        return sum;
    }
}

/// <summary>What the replicator does once for all peers and then for each: an operation is one entity.</summary>
public class EntityBenchmarks
{
    private const int Movers = 4_096;
    private const int Appended = 64;
    private const int Viewpoints = 500;
    private const int Strides = 64;

    private readonly ulong[] _words = new ulong[Movers];
    private readonly int[] _rows = new int[Appended];
    private readonly byte[] _packet = new byte[PacketHeader.DatagramBytesMax];
    private WrittenWorld _world = null!;
    private int _stride;
    private bool _isSettled;

    /// <summary>Ten virtual seconds of the workload uniform, so that everyone who moves has versions.</summary>
    [GlobalSetup(Targets = [nameof(Quantise), nameof(Append)])]
    public void SetUp()
    {
        _world = new WrittenWorld(1);
        for (int tick = 0; tick < 300; tick++)
            _world.Step();
        int found = 0;
        for (int row = 0; row < _world.World.RowLimit && found < Appended; row++)
        {
            if (_world.World.KindOf(row).HasMotion && _world.Replicator.History.VersionOf(row) > 4)
                _rows[found++] = row;
        }

        if (found < Appended || Append() < Appended)
            throw new InvalidOperationException("there is nothing to append");
    }

    /// <summary>500 peers in a world where nobody else moves.</summary>
    [GlobalSetup(Target = nameof(Cross))]
    public void SetUpViewpoints()
    {
        _world = new WrittenWorld(Viewpoints, Farm.FarmWorkload.Idle);
        _world.FillTables();
        for (int tick = 0; tick < 60; tick++)
        {
            _world.Step();
            _world.WriteSnapshots();
        }

        long before = _world.Replicator.Counters.CellsVisited;
        // To and fro eight times: who came to the edge of the map at first shares its cells for ever, and their lists have grown to it.
        for (int i = 0; i < 8 * 2 * Strides; i++)
            Cross();
        if (_world.Replicator.Counters.CellsVisited - before < 8 * 2 * Strides * Viewpoints)
            throw new InvalidOperationException("nobody crossed a cell");
        _isSettled = true;
    }

    /// <summary>A position into its quantum and its motion word.</summary>
    [Benchmark(OperationsPerInvoke = Movers)]
    public ulong Quantise()
    {
        long begun = AllocationMeter.Begin();
        World.WorldState world = _world.World;
        PositionGrid grid = world.Schema.Grid;
        ulong sum = 0;
        for (int row = 0; row < Movers; row++)
        {
            _words[row] = Motion.Pack(grid.Quantize(world.X[row]), grid.Quantize(world.Y[row]), new Intent(world.IntentCode[row]));
            sum += _words[row];
        }

        AllocationMeter.End("EntityBenchmarks.Quantise", begun);
        return sum;
    }

    /// <summary>The update of an entity two versions behind: its steps, encoded once for all peers, go into the packet.</summary>
    [Benchmark(OperationsPerInvoke = Appended)]
    public int Append()
    {
        long begun = AllocationMeter.Begin();
        WorldHistory history = _world.Replicator.History;
        var writer = new BitWriter(_packet);
        foreach (int row in _rows)
        {
            int visible = _world.World.KindOf(row).VisibleGroups(owner: false, party: false);
            Delta delta = history.DeltaFrom(row, history.VersionOf(row) - 2, audience: 0, visible, _world.Tick);
            history.WriteDelta(ref writer, in delta, visible);
        }

        AllocationMeter.End("EntityBenchmarks.Append", begun);
        return writer.Failed ? 0 : writer.BitCount;
    }

    /// <summary>A viewpoint goes a quarter of a cell: its cells are looked at anew, some entered, some dropped.</summary>
    [Benchmark(OperationsPerInvoke = Viewpoints)]
    public void Cross()
    {
        // Far enough each way that cells are dropped, not only kept for a while.
        const int QuarterUnits = 4;
        _stride = (_stride + 1) % (2 * Strides);
        int way = (_stride < Strides ? QuarterUnits : -QuarterUnits) * Units.One;
        World.WorldState world = _world.World;
        long begun = AllocationMeter.Begin();
        for (int i = 0; i < Viewpoints; i++)
        {
            int row = _world.Replicator.Peer(i)!.AvatarRow;
            world.MoveTo(row, world.X[row] + way, world.Y[row], Intent.Rest);
        }

        _world.NextTick();
        _world.FollowInterest();
        _world.EndTick();
        if (_isSettled)
            AllocationMeter.End("EntityBenchmarks.Cross", begun);
    }
}

/// <summary>The seal of a packet of 600 bytes, 1,000 connections in turn, with the cipher that a server takes by default. An operation is one packet.</summary>
public class PacketBenchmarks
{
    private const int Connections = 1_000;
    private const int BodyBytes = 600;

    private readonly PacketSealer[] _sealers = new PacketSealer[Connections];
    private readonly byte[] _datagram = new byte[PacketHeader.DatagramBytesMax];
    private readonly byte[] _sealed = new byte[PacketHeader.DatagramBytesMax];
    private readonly byte[] _nonce = new byte[PacketCipher.NonceBytes];
    private PacketCipher _opener = null!;

    /// <summary>Keys for all, and a sealed packet to be opened.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        var random = new SeededRandom(2);
        byte[] secret = new byte[Secret256.Bytes];
        for (int i = 0; i < Connections; i++)
        {
            for (int at = 0; at < secret.Length; at++)
                secret[at] = (byte)random.NextUInt64();
            _sealers[i] = new PacketSealer(ConnectionSide.Server, CipherSuite.Aes256Gcm, new Secret256(secret), default);
        }

        _opener = PacketCipher.Create(CipherSuite.Aes256Gcm, secret);
        _opener.Seal(_nonce, _sealed.AsSpan(0, PacketHeader.ServerHeaderBytes), _sealed.AsSpan(PacketHeader.ServerHeaderBytes, BodyBytes),
            _sealed.AsSpan(PacketHeader.ServerHeaderBytes + BodyBytes, PacketCipher.TagBytes));
        if (!OpenOne())
            throw new InvalidOperationException("what was sealed does not open");
    }

    /// <summary>Seals one for each.</summary>
    [Benchmark(OperationsPerInvoke = Connections)]
    public int Seal()
    {
        long begun = AllocationMeter.Begin();
        int bytes = 0;
        foreach (PacketSealer sealer in _sealers)
            bytes += sealer.Seal(_datagram, PacketHeader.ServerHeaderBytes, BodyBytes);
        AllocationMeter.End("PacketBenchmarks.Seal", begun);
        return bytes;
    }

    /// <summary>Opens as many; their copies are in the figure.</summary>
    [Benchmark(OperationsPerInvoke = Connections)]
    public int Open()
    {
        long begun = AllocationMeter.Begin();
        int opened = 0;
        for (int i = 0; i < Connections; i++)
            opened += OpenOne() ? 1 : 0;
        AllocationMeter.End("PacketBenchmarks.Open", begun);
        return opened;
    }

    private bool OpenOne()
    {
        _sealed.CopyTo(_datagram, 0);
        return _opener.TryOpen(_nonce, _datagram.AsSpan(0, PacketHeader.ServerHeaderBytes), _datagram.AsSpan(PacketHeader.ServerHeaderBytes, BodyBytes),
            _datagram.AsSpan(PacketHeader.ServerHeaderBytes + BodyBytes, PacketCipher.TagBytes));
    }
}
