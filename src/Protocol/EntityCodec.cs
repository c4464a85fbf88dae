namespace Hectare.Protocol;

/// <summary>One entity as bits: absolute motion, motion steps, change groups. Write and TryRead of each stand together.</summary>
/// <remarks>
/// No method depends on the peer, so what it writes is made once and copied to all (docs/wire-format.md, Entity).
/// A step codes a motion version against the version before it; steps b+1..n bring any peer from baseline b to n with every corner.
/// </remarks>
public static class EntityCodec
{
    /// <summary>Most steps of one update; more are cut to the newest four behind a gap.</summary>
    public const int StepsMax = 4;

    /// <summary>Low bits of T0 in absolute motion and in a step from rest.</summary>
    public const int TickBits = 10;

    /// <summary>A T0 older than this many ticks cannot be written absolute: movers are published again before.</summary>
    public const int TickAgeMax = (1 << TickBits) - 24;

    /// <summary>Golomb order of a step's tick gap: a walker's turn comes about once a second.</summary>
    public const int GapOrder = 4;

    /// <summary>Longest relative step; a longer one is a break and is written absolute behind a gap.</summary>
    public const int StepBitsMax = 64;

    /// <summary>Motion alone: quantum x, y, velocity, and T0's low bits unless at rest.</summary>
    public static void WriteMotion(ref BitWriter writer, Kind kind, ulong word, Tick t0)
    {
        writer.Write((ulong)Motion.QuantumX(word), kind.Grid.Bits);
        writer.Write((ulong)Motion.QuantumY(word), kind.Grid.Bits);
        WriteVelocity(ref writer, word);
        if (!Motion.IsRest(word))
            writer.Write(t0.Value, TickBits);
    }

    /// <summary>Bits that <see cref="WriteMotion"/> takes.</summary>
    public static int MotionBits(Kind kind, ulong word) => (kind.Grid.Bits * 2) + VelocityBits(word) + (Motion.IsRest(word) ? 0 : TickBits);

    /// <summary>See <see cref="WriteMotion"/>. At rest, T0 is the packet's tick.</summary>
    public static bool TryReadMotion(ref BitReader reader, Kind kind, Tick packetTick, out ulong word, out Tick t0)
    {
        int x = (int)reader.Read(kind.Grid.Bits);
        int y = (int)reader.Read(kind.Grid.Bits);
        word = ReadVelocity(ref reader, kind, x, y);
        t0 = Motion.IsRest(word) ? packetTick : Tick.WidenPast((uint)reader.Read(TickBits), TickBits, packetTick);
        return !reader.Failed;
    }

    /// <summary>A motion version against the one before it: tick gap (low bits of T0 after rest), residual against the extrapolation, velocity.</summary>
    public static void WriteStep(ref BitWriter writer, Kind kind, ulong previousWord, Tick previousT0, ulong word, Tick t0)
    {
        bool afterRest = Motion.IsRest(previousWord);
        if (afterRest)
            writer.Write(t0.Value, TickBits);
        else
            writer.WriteGolomb((uint)(t0 - previousT0), GapOrder);
        (int x, int y) = Predict(kind, previousWord, previousT0, t0);
        writer.WriteSignedGolomb(Motion.QuantumX(word) - x, 0);
        writer.WriteSignedGolomb(Motion.QuantumY(word) - y, 0);
        WriteVelocity(ref writer, word);
    }

    /// <summary>See <see cref="WriteStep"/>. False when a position leaves the grid.</summary>
    public static bool TryReadStep(ref BitReader reader, Kind kind, Tick packetTick, ulong previousWord, Tick previousT0, out ulong word, out Tick t0)
    {
        if (Motion.IsRest(previousWord))
        {
            t0 = Tick.WidenPast((uint)reader.Read(TickBits), TickBits, packetTick);
        }
        else
        {
            uint gap = reader.ReadGolomb(GapOrder);
            if (gap > ushort.MaxValue)
                reader.Fail();
            t0 = previousT0 + (int)gap;
        }

        word = 0;
        if (reader.Failed)
            return false;
        (int predictedX, int predictedY) = Predict(kind, previousWord, previousT0, t0);
        long x = predictedX + (long)reader.ReadSignedGolomb(0);
        long y = predictedY + (long)reader.ReadSignedGolomb(0);
        if (x < 0 || x > kind.Grid.QuantaMax || y < 0 || y > kind.Grid.QuantaMax)
            reader.Fail();
        if (!reader.Failed)
            word = ReadVelocity(ref reader, kind, (int)x, (int)y);
        return !reader.Failed;
    }

    /// <summary>How many steps follow: 0 to 4 as ones and a zero (four ones and a zero for 4), then for a gap five ones and 2 bits of count - 1.</summary>
    public static void WriteStepCount(ref BitWriter writer, int steps, bool gap)
    {
        Contract.Assert(steps is >= 0 and <= StepsMax && (!gap || steps > 0));
        if (gap)
            writer.Write(0b11111u | ((ulong)(steps - 1) << 5), 7);
        else
            writer.Write((1UL << steps) - 1, steps + 1);
    }

    /// <summary>See <see cref="WriteStepCount"/>.</summary>
    public static int ReadStepCount(ref BitReader reader, out bool gap)
    {
        int ones = 0;
        while (ones < 5 && reader.ReadBool())
            ones++;
        gap = ones == 5;
        return gap ? (int)reader.Read(2) + 1 : ones;
    }

    /// <summary>Bits that <see cref="WriteStepCount"/> takes.</summary>
    public static int StepCountBits(int steps, bool gap) => gap ? 7 : steps + 1;

    /// <summary>Which groups follow, out of those the peer sees: a zero for none; a one and, if several are visible, a one for the first alone or a zero and a bit for each.</summary>
    /// <remarks>So a kind's first group is the cheapest: it is the place for what changes most.</remarks>
    public static void WriteGroupMask(ref BitWriter writer, int changed, int visible)
    {
        if (visible == 0)
            return;
        writer.WriteBool(changed != 0);
        if (changed == 0 || IsSingle(visible))
            return;
        bool isFirstAlone = changed == (visible & -visible);
        writer.WriteBool(isFirstAlone);
        if (isFirstAlone)
            return;
        for (int rest = visible; rest != 0; rest &= rest - 1)
            writer.WriteBool((changed & rest & -rest) != 0);
    }

    /// <summary>See <see cref="WriteGroupMask"/>.</summary>
    public static int ReadGroupMask(ref BitReader reader, int visible)
    {
        if (visible == 0 || !reader.ReadBool())
            return 0;
        if (IsSingle(visible))
            return visible;
        if (reader.ReadBool())
            return visible & -visible;
        int changed = 0;
        for (int rest = visible; rest != 0; rest &= rest - 1)
            changed |= reader.ReadBool() ? rest & -rest : 0;
        return changed;
    }

    /// <summary>Bits that <see cref="WriteGroupMask"/> takes.</summary>
    public static int GroupMaskBits(int changed, int visible)
        => visible == 0 ? 0 : changed == 0 || IsSingle(visible) ? 1 : changed == (visible & -visible) ? 2 : 2 + System.Numerics.BitOperations.PopCount((uint)visible);

    /// <summary>A group's values, each field in its bits; a text as 8 bits of length and its bytes.</summary>
    public static void WriteGroup(ref BitWriter writer, Group group, ReadOnlySpan<ulong> record, ITexts texts)
    {
        if (group.IsOnePiece)
        {
            Field first = group.FieldArray[0];
            writer.Write(record[first.Word] >> first.Shift, group.WireBits);
            return;
        }

        foreach (Field field in group.FieldArray)
        {
            if (!field.IsText)
            {
                writer.Write(field.GetWide(record), field.Bits);
                continue;
            }

            ReadOnlySpan<byte> utf8 = texts.Find(field.Get(record));
            writer.Write((ulong)utf8.Length, 8);
            writer.WriteBytes(utf8);
        }
    }

    /// <summary>See <see cref="WriteGroup"/>. Texts go to <paramref name="texts"/>. False when bits run out or a text is longer than its field allows.</summary>
    public static bool TryReadGroup(ref BitReader reader, Group group, Span<ulong> record, ITexts texts)
    {
        Span<byte> utf8 = stackalloc byte[byte.MaxValue];
        foreach (Field field in group.FieldArray)
        {
            if (!field.IsText)
            {
                field.SetWide(record, reader.Read(field.Bits));
                continue;
            }

            int length = (int)reader.Read(8);
            if (length > field.Max)
                reader.Fail();
            reader.ReadBytes(utf8[..length]);
            if (reader.Failed)
                return false;
            field.Set(record, texts.Add(utf8[..length]));
        }

        return !reader.Failed;
    }

    /// <summary>The hash of what a peer without privileges knows of a version: motion and the groups of audience All.</summary>
    /// <remarks>By content, so that a client that never saw the version's number can compute it. T0 counts only while moving.</remarks>
    public static uint ContentHash(Kind kind, ReadOnlySpan<ulong> record, Tick t0)
    {
        ulong hash = 0x9E37_79B9_7F4A_7C15UL ^ (uint)kind.Index;
        for (int word = 0; word < kind.WordCount; word++)
        {
            ulong mask = kind.HasMotion && word == 0 ? ulong.MaxValue : 0;
            foreach (Group group in kind.GroupArray)
                mask |= group.Audience == Audience.All ? group.WordMasks[word] : 0;
            hash = Mix(hash, record[word] & mask);
        }

        if (kind.HasMotion && !Motion.IsRest(record[0]))
            hash = Mix(hash, t0.Value);
        return (uint)(hash ^ (hash >> 32));
    }

    /// <summary>The share of one (entity, version) in a packet's self-check; shares are added, so their order does not matter.</summary>
    public static uint CheckShare(EntityId id, uint contentHash) => (uint)(Mix(id.Value, contentHash) >> 32);

    private static ulong Mix(ulong hash, ulong value)
    {
        hash = (hash ^ value) * 0xFF51_AFD7_ED55_8CCDUL;
        return hash ^ (hash >> 32);
    }

    private static (int X, int Y) Predict(Kind kind, ulong previousWord, Tick previousT0, Tick t0)
    {
        int ticks = Motion.IsRest(previousWord) ? 0 : t0 - previousT0;
        (int velocityX, int velocityY) = Motion.Velocity(previousWord, kind);
        PositionGrid grid = kind.Grid;
        return (grid.Quantize(grid.Dequantize(Motion.QuantumX(previousWord)) + (velocityX * ticks)),
            grid.Quantize(grid.Dequantize(Motion.QuantumY(previousWord)) + (velocityY * ticks)));
    }

    // Prefix code: 00 + 3 bits one of eight directions at full speed; 01 rest; 10 + 8 bits a direction at full speed;
    // 110 + 14 bits an intent; 1110 + 24 bits escape; 1111 + 24 bits escape, sampled. (First bit is the lowest.)
    private static void WriteVelocity(ref BitWriter writer, ulong word)
    {
        uint code = Motion.VelocityCode(word);
        if (Motion.IsSampled(word))
            writer.Write(0b1111u | ((ulong)code << 4), 28);
        else if (Motion.IsEscape(word))
            writer.Write(0b0111u | ((ulong)code << 4), 28);
        else if (code == 0)
            writer.Write(0b10, 2);
        else if ((code & ~0xFFu) != Intent.MagnitudeMax << 8)
            writer.Write(0b011u | ((ulong)code << 3), 17);
        else if ((code & 31) == 0)
            writer.Write(((code & 0xFF) >> 5) << 2, 5);
        else
            writer.Write(0b01u | ((code & 0xFF) << 2), 10);
    }

    private static int VelocityBits(ulong word)
    {
        uint code = Motion.VelocityCode(word);
        if (Motion.IsSampled(word) || Motion.IsEscape(word))
            return 28;
        if (code == 0)
            return 2;
        if ((code & ~0xFFu) != Intent.MagnitudeMax << 8)
            return 17;
        return (code & 31) == 0 ? 5 : 10;
    }

    private static ulong ReadVelocity(ref BitReader reader, Kind kind, int quantumX, int quantumY)
    {
        if (!reader.ReadBool())
        {
            return reader.ReadBool()
                ? Motion.Pack(quantumX, quantumY, Intent.Rest)
                : Motion.Pack(quantumX, quantumY, new Intent((byte)(reader.Read(3) << 5), Intent.MagnitudeMax));
        }

        if (!reader.ReadBool())
            return Motion.Pack(quantumX, quantumY, new Intent((byte)reader.Read(8), Intent.MagnitudeMax));
        if (!reader.ReadBool())
        {
            var intent = new Intent((int)reader.Read(Intent.Bits));
            if (intent.SpeedClass >= kind.SpeedArray.Length)
                reader.Fail();
            return Motion.Pack(quantumX, quantumY, intent);
        }

        bool sampled = reader.ReadBool();
        (int velocityX, int velocityY) = Motion.FromEscapeCode((uint)reader.Read(Motion.VelocityBits));
        return Motion.PackEscape(quantumX, quantumY, velocityX, velocityY, sampled);
    }

    private static bool IsSingle(int mask) => (mask & (mask - 1)) == 0;
}

/// <summary>Where the bytes of text fields live: a record holds only their hash.</summary>
public interface ITexts
{
    /// <summary>The bytes of a hash; empty when unknown.</summary>
    ReadOnlySpan<byte> Find(uint hash);

    /// <summary>Keeps the bytes and gives their 32-bit FNV-1a hash (0 for the empty text).</summary>
    uint Add(ReadOnlySpan<byte> utf8);
}
