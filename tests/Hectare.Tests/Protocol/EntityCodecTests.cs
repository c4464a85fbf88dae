using Hectare.Protocol;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Protocol;

public sealed class EntityCodecTests
{
    private static readonly Schema Meadow = TestSchemas.Meadow(2048, 16);
    private static readonly Kind Walker = Meadow["walker"];
    private static readonly Tick Now = new(70_000);

    public static TheoryData<int, int> Velocities => new()
    {
        // intent code, bits of its code on the wire
        { new Intent(0, 15).Code, 5 },
        { new Intent(96, 15).Code, 5 },
        { 0, 2 },
        { new Intent(1, 15).Code, 10 },
        { new Intent(255, 15).Code, 10 },
        { new Intent(0, 14).Code, 17 },
        { new Intent(32, 15, 1).Code, 17 },
        { new Intent(77, 1, 1).Code, 17 },
    };

    [Theory]
    [MemberData(nameof(Velocities))]
    public void Absolute_motion_comes_back_in_the_announced_bits(int code, int velocityBits)
    {
        ulong word = Motion.Pack(12_345, 54_321, new Intent(code));
        var t0 = new Tick(69_500);
        byte[] buffer = new byte[32];
        var writer = new BitWriter(buffer);
        EntityCodec.WriteMotion(ref writer, Walker, word, t0);
        Assert.Equal(32 + velocityBits + (code == 0 ? 0 : EntityCodec.TickBits), writer.BitCount);
        var reader = new BitReader(writer.Finish());
        Assert.True(EntityCodec.TryReadMotion(ref reader, Walker, Now, out ulong read, out Tick readT0));
        Assert.Equal(word, read);
        Assert.Equal(code == 0 ? Now : t0, readT0);
        Assert.Equal(writer.BitCount, reader.BitPosition);
    }

    [Theory]
    [InlineData(1, 0, false)]
    [InlineData(-2047, 2047, false)]
    [InlineData(-1, -1, true)]
    [InlineData(0, 0, true)]
    public void Escaped_velocities_come_back(int velocityX, int velocityY, bool sampled)
    {
        ulong word = Motion.PackEscape(7, 9, velocityX, velocityY, sampled);
        byte[] buffer = new byte[32];
        var writer = new BitWriter(buffer);
        EntityCodec.WriteMotion(ref writer, Walker, word, new Tick(69_999));
        Assert.Equal(32 + 28 + EntityCodec.TickBits, writer.BitCount);
        var reader = new BitReader(writer.Finish());
        Assert.True(EntityCodec.TryReadMotion(ref reader, Walker, Now, out ulong read, out Tick t0));
        Assert.Equal((word, new Tick(69_999)), (read, t0));
        Assert.Equal((velocityX, velocityY), Motion.Velocity(read, Walker));
        Assert.Equal(sampled, Motion.IsSampled(read));
    }

    [Fact]
    public void An_escaped_rest_is_rest()
    {
        Assert.Equal(Motion.Pack(5, 6, Intent.Rest), Motion.PackEscape(5, 6, 0, 0, sampled: false));
        Assert.Equal((2047, -2047), Motion.FromEscapeCode((uint)Motion.EscapeCode(5_000, -5_000)));
    }

    [Fact]
    public void Chains_of_steps_come_back_also_after_rest_and_across_the_tick_wrap()
    {
        var random = new SeededRandom(1);
        byte[] buffer = new byte[64];
        ulong word = Motion.Pack(30_000, 30_000, Intent.Rest);
        var t0 = new Tick(uint.MaxValue - 5_000);
        for (int i = 0; i < 20_000; i++)
        {
            Tick next = t0 + random.Next(0, Motion.IsRest(word) ? 900 : 500);
            ulong moved = RandomWord(ref random, word);
            var writer = new BitWriter(buffer);
            EntityCodec.WriteStep(ref writer, Walker, word, t0, moved, next);
            Assert.False(writer.Failed);
            var reader = new BitReader(writer.Finish());
            Assert.True(EntityCodec.TryReadStep(ref reader, Walker, next + random.Next(0, 100), word, t0, out ulong read, out Tick readT0));
            Assert.Equal((moved, next), (read, readT0));
            Assert.Equal(writer.BitCount, reader.BitPosition);
            (word, t0) = (moved, next);
        }
    }

    [Fact]
    public void A_turn_of_a_straight_walker_takes_14_bits()
    {
        ulong before = Motion.Pack(30_000, 30_000, new Intent(0, 15));
        Assert.Equal((TestSchemas.WalkSpeed, 0), Motion.Velocity(before, Walker));
        (int x, int y) = Motion.Unpack(before, new Tick(100), Walker).At(new Tick(130));
        ulong after = Motion.Pack(Walker.Grid.Quantize(x), Walker.Grid.Quantize(y), new Intent(64, 15));
        byte[] buffer = new byte[16];
        var writer = new BitWriter(buffer);
        EntityCodec.WriteStep(ref writer, Walker, before, new Tick(100), after, new Tick(130));
        Assert.Equal(14, writer.BitCount);
    }

    [Fact]
    public void A_step_off_the_grid_or_with_too_wide_a_gap_is_refused()
    {
        ulong edge = Motion.Pack(0, 0, Intent.Rest);
        byte[] buffer = new byte[32];
        var writer = new BitWriter(buffer);
        writer.Write(5, EntityCodec.TickBits);
        writer.WriteSignedGolomb(-1, 0);
        writer.WriteSignedGolomb(0, 0);
        writer.Write(0b10, 2);
        var reader = new BitReader(writer.Finish());
        Assert.False(EntityCodec.TryReadStep(ref reader, Walker, Now, edge, Now, out _, out _));

        writer = new BitWriter(buffer);
        writer.WriteGolomb(65_536, EntityCodec.GapOrder);
        writer.Write(0, 40);
        reader = new BitReader(writer.Finish());
        Assert.False(EntityCodec.TryReadStep(ref reader, Walker, Now, Motion.Pack(0, 0, new Intent(0, 15)), Now, out _, out _));
    }

    [Fact]
    public void A_speed_class_that_the_kind_lacks_is_refused()
    {
        byte[] buffer = new byte[32];
        var writer = new BitWriter(buffer);
        EntityCodec.WriteMotion(ref writer, Walker, Motion.Pack(1, 1, new Intent(3, 4, 2)), Now);
        var reader = new BitReader(writer.Finish());
        Assert.False(EntityCodec.TryReadMotion(ref reader, Walker, Now, out _, out _));
    }

    [Fact]
    public void Step_counts_come_back()
    {
        byte[] buffer = new byte[8];
        for (int steps = 0; steps <= EntityCodec.StepsMax; steps++)
        {
            foreach (bool gap in new[] { false, true })
            {
                if (gap && steps == 0)
                    continue;
                var writer = new BitWriter(buffer);
                EntityCodec.WriteStepCount(ref writer, steps, gap);
                Assert.Equal(EntityCodec.StepCountBits(steps, gap), writer.BitCount);
                var reader = new BitReader(writer.Finish());
                Assert.Equal(steps, EntityCodec.ReadStepCount(ref reader, out bool readGap));
                Assert.Equal(gap, readGap);
                Assert.Equal(writer.BitCount, reader.BitPosition);
            }
        }
    }

    [Fact]
    public void Group_masks_come_back_in_the_announced_bits()
    {
        byte[] buffer = new byte[8];
        for (int visible = 0; visible < 256; visible++)
        {
            for (int changed = 0; changed < 256; changed++)
            {
                if ((changed & ~visible) != 0)
                    continue;
                var writer = new BitWriter(buffer);
                EntityCodec.WriteGroupMask(ref writer, changed, visible);
                Assert.Equal(EntityCodec.GroupMaskBits(changed, visible), writer.BitCount);
                var reader = new BitReader(writer.Finish());
                Assert.Equal(changed, EntityCodec.ReadGroupMask(ref reader, visible));
                Assert.Equal(writer.BitCount, reader.BitPosition);
            }
        }
    }

    [Theory]
    [InlineData(13)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public void Groups_come_back_whatever_the_bits_of_a_position(int positionBits)
    {
        Schema schema = TestSchemas.Meadow(2048, positionBits);
        var random = new SeededRandom((ulong)positionBits);
        byte[] buffer = new byte[256];
        foreach (Kind kind in schema.Kinds)
        {
            foreach (Group group in kind.Groups)
            {
                for (int i = 0; i < 200; i++)
                {
                    var texts = new TextTable();
                    ulong[] record = RandomRecord(ref random, kind, texts);
                    var writer = new BitWriter(buffer);
                    EntityCodec.WriteGroup(ref writer, group, record, texts);
                    ulong[] read = new ulong[kind.WordCount];
                    var readTexts = new TextTable();
                    var reader = new BitReader(writer.Finish());
                    Assert.True(EntityCodec.TryReadGroup(ref reader, group, read, readTexts));
                    Assert.Equal(writer.BitCount, reader.BitPosition);
                    Assert.False(group.Differs(record, read));
                    foreach (Field field in group.Fields)
                        Assert.True(field.Type != FieldType.Text || texts.Find(field.Get(record)).SequenceEqual(readTexts.Find(field.Get(read))));
                }
            }
        }
    }

    [Fact]
    public void A_text_longer_than_its_field_allows_is_refused()
    {
        Group name = Walker.Groups[2];
        byte[] buffer = new byte[64];
        var writer = new BitWriter(buffer);
        writer.Write(25, 8);
        writer.WriteBytes(new byte[25]);
        var reader = new BitReader(writer.Finish());
        Assert.False(EntityCodec.TryReadGroup(ref reader, name, new ulong[Walker.WordCount], new TextTable()));
    }

    [Fact]
    public void What_is_cut_short_is_refused_at_every_length()
    {
        byte[] buffer = new byte[64];
        var texts = new TextTable();
        ulong[] record = new ulong[Walker.WordCount];
        Walker["name"].Set(record, texts.Add("somebody"u8));
        var writer = new BitWriter(buffer);
        EntityCodec.WriteMotion(ref writer, Walker, Motion.PackEscape(1, 2, 3, 4, sampled: true), Now);
        EntityCodec.WriteStep(ref writer, Walker, Motion.Pack(1, 2, new Intent(0, 15)), Now - 30, Motion.Pack(500, 2, new Intent(7, 3)), Now);
        EntityCodec.WriteGroup(ref writer, Walker.Groups[2], record, texts);
        ReadOnlySpan<byte> whole = writer.Finish();
        for (int length = 0; length <= whole.Length; length++)
        {
            var reader = new BitReader(whole[..length]);
            bool read = EntityCodec.TryReadMotion(ref reader, Walker, Now, out _, out _)
                && EntityCodec.TryReadStep(ref reader, Walker, Now, Motion.Pack(1, 2, new Intent(0, 15)), Now - 30, out _, out _)
                && EntityCodec.TryReadGroup(ref reader, Walker.Groups[2], record, new TextTable());
            Assert.Equal(length == whole.Length, read);
        }
    }

    [Fact]
    public void Random_bytes_never_throw_and_what_they_say_is_within_bounds()
    {
        var random = new SeededRandom(8);
        byte[] bytes = new byte[40];
        var texts = new TextTable(64);
        ulong[] record = new ulong[Schema.WordsMax];
        for (int i = 0; i < 50_000; i++)
        {
            for (int b = 0; b < bytes.Length; b += 8)
                BitConverter.TryWriteBytes(bytes.AsSpan(b), random.NextUInt64());
            var reader = new BitReader(bytes.AsSpan(0, random.Next(0, bytes.Length + 1)));
            Kind kind = Meadow.Kinds[random.Next(0, Meadow.Kinds.Length)];
            if (kind.HasMotion && EntityCodec.TryReadMotion(ref reader, kind, Now, out ulong word, out Tick t0))
            {
                AssertSane(kind, word);
                Assert.InRange(Now - t0, 0, 1023);
                int steps = EntityCodec.ReadStepCount(ref reader, out _);
                Assert.InRange(steps, 0, 4);
                for (int step = 0; step < steps && EntityCodec.TryReadStep(ref reader, kind, Now, word, t0, out word, out t0); step++)
                    AssertSane(kind, word);
            }

            int groups = EntityCodec.ReadGroupMask(ref reader, kind.AllGroups);
            for (int g = 0; g < kind.Groups.Length; g++)
            {
                if ((groups >> g & 1) != 0)
                    EntityCodec.TryReadGroup(ref reader, kind.Groups[g], record.AsSpan(0, kind.WordCount), texts);
            }
        }
    }

    [Fact]
    public void Golden_bytes()
    {
        byte[] buffer = new byte[128];
        var texts = new TextTable();
        ulong[] record = new ulong[Walker.WordCount];
        Walker["animation"].Set(record, 9);
        Walker["swing"].Set(record, 5);
        Walker["health"].Set(record, 100);
        Walker["name"].Set(record, texts.Add("Ada"u8));
        Walker["coins"].Set(record, 123_456);
        record[0] = Motion.Pack(32_768, 1_000, new Intent(32, 15));
        var writer = new BitWriter(buffer);
        EntityCodec.WriteMotion(ref writer, Walker, record[0], new Tick(69_990));
        EntityCodec.WriteStepCount(ref writer, 3, gap: true);
        EntityCodec.WriteMotion(ref writer, Walker, Motion.Pack(1, 2, Intent.Rest), Now);
        EntityCodec.WriteStep(ref writer, Walker, Motion.Pack(1, 2, Intent.Rest), Now, Motion.Pack(1, 3, new Intent(5, 15)), Now + 4);
        EntityCodec.WriteStep(ref writer, Walker, Motion.Pack(1, 3, new Intent(5, 15)), Now + 4, Motion.PackEscape(100, 3, -7, 300, sampled: false), Now + 24);
        EntityCodec.WriteGroupMask(ref writer, 0b00001, 0b01111);
        EntityCodec.WriteGroupMask(ref writer, 0b00110, 0b01111);
        foreach (Group group in Walker.Groups)
            EntityCodec.WriteGroup(ref writer, group, record, texts);
        Assert.Equal("0080E803C4AC6F0080008074690591F3D3CB7F9638CB920782C8C280C40300", Convert.ToHexString(writer.Finish()));
        Assert.Equal(1_350_925_779u, EntityCodec.ContentHash(Walker, record, new Tick(69_990)));
        Assert.Equal(864_561_845u, EntityCodec.CheckShare(new EntityId(77), 0x1234_5678));
    }

    [Fact]
    public void The_content_hash_sees_what_all_see_and_t0_only_while_moving()
    {
        ulong[] record = new ulong[Walker.WordCount];
        record[0] = Motion.Pack(5, 5, new Intent(0, 15));
        uint hash = EntityCodec.ContentHash(Walker, record, Now);
        Assert.NotEqual(hash, EntityCodec.ContentHash(Walker, record, Now + 1));
        Walker["coins"].Set(record, 5);
        Walker["plan"].Set(record, 5);
        Assert.Equal(hash, EntityCodec.ContentHash(Walker, record, Now));
        Walker["health"].Set(record, 5);
        Assert.NotEqual(hash, EntityCodec.ContentHash(Walker, record, Now));
        record[0] = Motion.Pack(5, 5, Intent.Rest);
        Assert.Equal(EntityCodec.ContentHash(Walker, record, Now), EntityCodec.ContentHash(Walker, record, Now + 1));
    }

    private static void AssertSane(Kind kind, ulong word)
    {
        Assert.InRange(Motion.QuantumX(word), 0, kind.Grid.QuantaMax);
        Assert.InRange(Motion.QuantumY(word), 0, kind.Grid.QuantaMax);
        (int x, int y) = Motion.Velocity(word, kind);
        Assert.InRange(x, -Motion.ComponentMax, Motion.ComponentMax);
        Assert.InRange(y, -Motion.ComponentMax, Motion.ComponentMax);
    }

    private static ulong RandomWord(ref SeededRandom random, ulong previous)
    {
        int x = Math.Clamp(Motion.QuantumX(previous) + random.Next(-300, 301), 0, Walker.Grid.QuantaMax);
        int y = random.NextBool(0.01) ? random.Next(0, Walker.Grid.QuantaMax + 1) : Motion.QuantumY(previous);
        return random.Next(0, 5) switch
        {
            0 => Motion.Pack(x, y, Intent.Rest),
            1 => Motion.PackEscape(x, y, random.Next(-2047, 2048), random.Next(-2047, 2048), random.NextBool(0.5)),
            2 => Motion.Pack(x, y, new Intent((byte)random.Next(0, 256), random.Next(0, 16), random.Next(0, 2))),
            _ => Motion.Pack(x, y, new Intent((byte)(random.Next(0, 8) * 32), 15)),
        };
    }

    private static ulong[] RandomRecord(ref SeededRandom random, Kind kind, TextTable texts)
    {
        ulong[] record = new ulong[kind.WordCount];
        foreach (Field field in kind.Fields)
        {
            if (field.Type == FieldType.Text)
                field.Set(record, texts.Add(new byte[random.Next(0, 25)]));
            else
                record[field.Word] |= random.NextUInt64() & field.Mask;
        }

        return record;
    }
}
