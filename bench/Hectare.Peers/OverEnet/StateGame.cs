using System.Buffers.Binary;
using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Peers.OverEnet;

/// <summary>The naive game: movers in arrays, a grid built anew each tick, and to each player the full state of every mover within sight.</summary>
internal sealed class StateGame
{
    /// <summary>Bytes of an input: direction and magnitude, and what else a game puts there, here zeros.</summary>
    public const int InputBytes = 40;

    /// <summary>Bytes of one mover: id (4), position (8), velocity (8), state (2).</summary>
    public const int StateBytes = 22;

    /// <summary>Bytes before the movers: last of the snapshot (1), tick (4), movers (2).</summary>
    public const int HeaderBytes = 7;

    /// <summary>Most bytes of a packet: below any MTU, ENet's headers included.</summary>
    public const int PacketBytesMax = 1_200;

    private const int MoversPerPacket = (PacketBytesMax - HeaderBytes) / StateBytes;
    private const int CellUnits = 50;
    private const int SideCells = ((int)PeerWorld.ExtentUnits / CellUnits) + 1;

    private readonly TileMap _map;
    private readonly int _animals;
    private readonly List<Vector2> _positions = [];
    private readonly List<Vector2> _velocities = [];
    private readonly List<Vector2> _wishes = [];
    private readonly List<int> _seen = [];
    private readonly int[] _cellStarts = new int[(SideCells * SideCells) + 1];
    private int[] _cellMovers = [];
    private SeededRandom _random;
    private uint _tick;
    private int _told;
    private bool _hasTold;

    /// <summary>A game with so many animals; players come after them.</summary>
    public StateGame(TileMap map, ulong seed, int animals)
    {
        _map = map;
        _animals = animals;
        _random = new SeededRandom(SeededRandom.MixSeed(seed, 0x7374_6174));
        for (int i = 0; i < animals; i++)
            Add(PeerWorld.AnimalRadiusUnits);
    }

    /// <summary>Where everyone is; players come after the animals.</summary>
    public IReadOnlyList<Vector2> Positions => _positions;

    /// <summary>Writes an input.</summary>
    public static void WriteInput(Intent intent, Span<byte> bytes)
    {
        bytes[..InputBytes].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, intent.Code);
    }

    /// <summary>Reads an input.</summary>
    public static Intent ReadInput(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt16LittleEndian(bytes));

    /// <summary>The next player.</summary>
    public void Join() => Add(PeerWorld.PlayerRadiusUnits);

    /// <summary>What a player wants from now on.</summary>
    public void HandleInput(int player, Intent intent) => _wishes[_animals + player] = PeerWorld.WishOf(intent);

    /// <summary>One tick.</summary>
    public void Step(int tickRate)
    {
        _tick++;
        TileView tiles = _map.View;
        for (int i = 0; i < _positions.Count; i++)
        {
            bool isAnimal = i < _animals;
            if (isAnimal)
                _wishes[i] = PeerWorld.Wander(ref _random, _wishes[i], tickRate);
            Vector2 step = _wishes[i] * ((isAnimal ? PeerWorld.AnimalUnitsPerSecond : PeerWorld.PlayerUnitsPerSecond) / tickRate);
            Vector2 from = _positions[i];
            _positions[i] = PeerWorld.Walk(in tiles, from, step, isAnimal ? PeerWorld.AnimalRadiusUnits : PeerWorld.PlayerRadiusUnits);
            _velocities[i] = (_positions[i] - from) * tickRate;
        }

        BuildGrid();
    }

    /// <summary>Begins a player's snapshot: finds what it sees, itself included, as of the last <see cref="Step"/>.</summary>
    public void LookAround(int player)
    {
        _seen.Clear();
        (_told, _hasTold) = (0, false);
        Vector2 eye = _positions[_animals + player];
        int left = CellOf(eye.X - PeerWorld.SightUnits), right = CellOf(eye.X + PeerWorld.SightUnits);
        int bottom = CellOf(eye.Y + PeerWorld.SightUnits);
        for (int y = CellOf(eye.Y - PeerWorld.SightUnits); y <= bottom; y++)
        {
            // The cells of a row lie side by side.
            foreach (int mover in _cellMovers.AsSpan(_cellStarts[(y * SideCells) + left].._cellStarts[(y * SideCells) + right + 1]))
            {
                if (Vector2.DistanceSquared(_positions[mover], eye) <= PeerWorld.SightUnits * PeerWorld.SightUnits)
                    _seen.Add(mover);
            }
        }
    }

    /// <summary>Writes the next packet of that snapshot; false when it is all told.</summary>
    public bool TryWritePacket(Span<byte> packet, out int bytes)
    {
        bytes = 0;
        if (_hasTold)
            return false;
        int movers = Math.Min(MoversPerPacket, _seen.Count - _told);
        _hasTold = _told + movers == _seen.Count;
        packet[0] = _hasTold ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt32LittleEndian(packet[1..], _tick);
        BinaryPrimitives.WriteUInt16LittleEndian(packet[5..], (ushort)movers);
        bytes = HeaderBytes;
        for (int i = 0; i < movers; i++, bytes += StateBytes)
            WriteState(_seen[_told + i], packet[bytes..]);
        _told += movers;
        return true;
    }

    private void Add(float radius)
    {
        TileView tiles = _map.View;
        _positions.Add(PeerWorld.Place(ref _random, in tiles, radius));
        _velocities.Add(Vector2.Zero);
        _wishes.Add(Vector2.Zero);
    }

    // Counting sort: movers of a cell one behind the other, cells one behind the other.
    private void BuildGrid()
    {
        if (_cellMovers.Length < _positions.Count)
            _cellMovers = new int[_positions.Count * 2];
        Array.Clear(_cellStarts);
        foreach (Vector2 position in _positions)
            _cellStarts[CellOf(position) + 1]++;
        for (int cell = 1; cell < _cellStarts.Length; cell++)
            _cellStarts[cell] += _cellStarts[cell - 1];
        for (int mover = _positions.Count - 1; mover >= 0; mover--)
            _cellMovers[--_cellStarts[CellOf(_positions[mover]) + 1]] = mover;
        // Each cell's end stood one place to the right and has walked down to its start.
        Array.Copy(_cellStarts, 1, _cellStarts, 0, _cellStarts.Length - 1);
        _cellStarts[^1] = _positions.Count;
    }

    private static int CellOf(Vector2 position) => (CellOf(position.Y) * SideCells) + CellOf(position.X);

    private static int CellOf(float units) => Math.Clamp((int)units / CellUnits, 0, SideCells - 1);

    private void WriteState(int mover, Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)mover);
        BinaryPrimitives.WriteSingleLittleEndian(bytes[4..], _positions[mover].X);
        BinaryPrimitives.WriteSingleLittleEndian(bytes[8..], _positions[mover].Y);
        BinaryPrimitives.WriteSingleLittleEndian(bytes[12..], _velocities[mover].X);
        BinaryPrimitives.WriteSingleLittleEndian(bytes[16..], _velocities[mover].Y);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[20..], _velocities[mover] == Vector2.Zero ? (ushort)0 : (ushort)1);
    }
}
