using System.Buffers.Binary;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;

namespace Hectare.Fuzz.Targets;

/// <summary>One entity: motion, steps against it, groups. Five bytes before it say kind, packet tick and what the reader may see.</summary>
internal sealed class EntityTarget() : FuzzTarget("entity", "one entity: absolute motion, steps after it, changed groups with their texts")
{
    private const int PlaceBytes = 6;

    private readonly FuzzTexts _texts = new();
    private readonly FuzzTexts _textsAgain = new();
    private readonly byte[] _written = new byte[4096];
    private readonly Entity _read = new();
    private readonly Entity _again = new();

    public override int InputBytesMax => 512;

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        for (int i = 0; i < PlaceBytes; i++)
            destination[i] = (byte)random.NextUInt64();
        (Kind kind, Tick tick, int visible) = Place(destination);
        _texts.Clear();
        _read.Draw(ref random, kind, tick, visible, _texts);
        var writer = new BitWriter(destination[PlaceBytes..]);
        _read.Write(ref writer, kind, visible, _texts);
        return PlaceBytes + writer.Finish().Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        if (input.Length < PlaceBytes)
            return RunResult.Refused;
        (Kind kind, Tick tick, int visible) = Place(input);
        var reader = new BitReader(input[PlaceBytes..]);
        _texts.Clear();
        if (!_read.TryRead(ref reader, kind, tick, visible, _texts))
            return RunResult.Refused;
        _read.Check(kind, visible);
        var writer = new BitWriter(_written);
        _read.Write(ref writer, kind, visible, _texts);
        Property.Holds(!writer.Failed, "what was read cannot be written");
        reader = new BitReader(writer.Finish());
        _textsAgain.Clear();
        Property.Holds(_again.TryRead(ref reader, kind, tick, visible, _textsAgain), "an entity that was read is written so that it cannot be");
        Property.Holds(_again.Equals(_read, kind), "an entity that was read is written otherwise");
        return RunResult.Taken;
    }

    private static (Kind Kind, Tick Tick, int Visible) Place(ReadOnlySpan<byte> input)
    {
        Kind kind = FuzzSchemas.Meadow.Kinds[input[0] % FuzzSchemas.Meadow.Kinds.Length];
        return (kind, new Tick(BinaryPrimitives.ReadUInt32LittleEndian(input[1..])), kind.VisibleGroups((input[5] & 1) != 0, (input[5] & 2) != 0));
    }

    /// <summary>What an update says, in plain columns.</summary>
    private sealed class Entity
    {
        private readonly ulong[] _record = new ulong[Schema.WordsMax];
        private readonly ulong[] _words = new ulong[EntityCodec.StepsMax + 1];
        private readonly Tick[] _ticks = new Tick[EntityCodec.StepsMax + 1];
        private int _steps;
        private int _groups;

        public void Draw(ref SeededRandom random, Kind kind, Tick tick, int visible, FuzzTexts texts)
        {
            Array.Clear(_record);
            _steps = kind.HasMotion ? random.Next(0, EntityCodec.StepsMax + 1) : 0;
            if (kind.HasMotion)
            {
                for (int i = 0; i <= _steps; i++)
                {
                    _words[i] = DrawWord(ref random, kind);
                    // A rest that is written absolute has its packet's tick; the step after it may still be an older one.
                    _ticks[i] = i == 0 && Motion.IsRest(_words[0]) ? tick : i <= 1 ? tick - 200 + i : _ticks[i - 1] + random.Next(1, 40);
                }
            }

            _groups = random.Next(0, visible + 1) & visible;
            foreach (Field field in kind.Fields)
                field.SetWide(_record, field.Type == FieldType.Text ? DrawText(ref random, field, texts) : random.NextUInt64());
        }

        public bool TryRead(ref BitReader reader, Kind kind, Tick tick, int visible, FuzzTexts texts)
        {
            Array.Clear(_record);
            _steps = 0;
            if (kind.HasMotion && !TryReadMotion(ref reader, kind, tick))
                return false;
            _groups = EntityCodec.ReadGroupMask(ref reader, visible);
            for (int group = 0; group < kind.Groups.Length; group++)
            {
                if ((_groups & (1 << group)) != 0 && !EntityCodec.TryReadGroup(ref reader, kind.Groups[group], _record, texts))
                    return false;
            }

            return !reader.Failed;
        }

        public void Write(ref BitWriter writer, Kind kind, int visible, FuzzTexts texts)
        {
            if (kind.HasMotion)
            {
                EntityCodec.WriteMotion(ref writer, kind, _words[0], _ticks[0]);
                EntityCodec.WriteStepCount(ref writer, _steps, gap: false);
                for (int i = 1; i <= _steps; i++)
                    EntityCodec.WriteStep(ref writer, kind, _words[i - 1], _ticks[i - 1], _words[i], _ticks[i]);
            }

            EntityCodec.WriteGroupMask(ref writer, _groups, visible);
            for (int group = 0; group < kind.Groups.Length; group++)
            {
                if ((_groups & (1 << group)) != 0)
                    EntityCodec.WriteGroup(ref writer, kind.Groups[group], _record, texts);
            }
        }

        public void Check(Kind kind, int visible)
        {
            Property.Holds((_groups & ~visible) == 0, "a group that is not visible");
            for (int i = 0; kind.HasMotion && i <= _steps; i++)
            {
                Property.Holds(Motion.QuantumX(_words[i]) <= kind.Grid.QuantaMax && Motion.QuantumY(_words[i]) <= kind.Grid.QuantaMax, "a place outside the grid");
                PublishedMotion motion = Motion.Unpack(_words[i], _ticks[i], kind);
                Property.Holds(Math.Abs(motion.VelocityX) <= Motion.ComponentMax + 1 && Math.Abs(motion.VelocityY) <= Motion.ComponentMax + 1, "faster than there is");
            }
        }

        public bool Equals(Entity other, Kind kind)
            => _groups == other._groups && _steps == other._steps && _record.AsSpan().SequenceEqual(other._record)
            && (!kind.HasMotion || (_words.AsSpan(0, _steps + 1).SequenceEqual(other._words.AsSpan(0, _steps + 1)) && _ticks.AsSpan(0, _steps + 1).SequenceEqual(other._ticks.AsSpan(0, _steps + 1))));

        private bool TryReadMotion(ref BitReader reader, Kind kind, Tick tick)
        {
            if (!EntityCodec.TryReadMotion(ref reader, kind, tick, out _words[0], out _ticks[0]))
                return false;
            _steps = EntityCodec.ReadStepCount(ref reader, out bool gap);
            if (gap || reader.Failed)
                return false;   // behind a gap stands absolute motion, which was just read
            for (int i = 1; i <= _steps; i++)
            {
                if (!EntityCodec.TryReadStep(ref reader, kind, tick, _words[i - 1], _ticks[i - 1], out _words[i], out _ticks[i]))
                    return false;
            }

            return true;
        }

        private static ulong DrawWord(ref SeededRandom random, Kind kind)
        {
            int x = random.Next(0, kind.Grid.QuantaMax + 1), y = random.Next(0, kind.Grid.QuantaMax + 1);
            return random.Next(0, 5) switch
            {
                0 => Motion.Pack(x, y, Intent.Rest),
                1 => Motion.Pack(x, y, new Intent((byte)(random.Next(0, 8) << 5), Intent.MagnitudeMax)),
                2 => Motion.Pack(x, y, new Intent((byte)random.NextUInt64(), random.Next(1, Intent.MagnitudeMax + 1))),
                3 => Motion.PackEscape(x, y, random.Next(-2047, 2048), random.Next(-2047, 2048), sampled: false),
                _ => Motion.PackEscape(x, y, random.Next(-2047, 2048), random.Next(-2047, 2048), sampled: true),
            };
        }

        private static uint DrawText(ref SeededRandom random, Field field, FuzzTexts texts)
        {
            Span<byte> utf8 = stackalloc byte[random.Next(0, Math.Min(100, (int)field.Max) + 1)];
            for (int i = 0; i < utf8.Length; i++)
                utf8[i] = (byte)random.Next('a', 'z' + 1);
            return texts.Add(utf8);
        }
    }
}
