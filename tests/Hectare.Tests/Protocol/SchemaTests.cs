using Hectare.Protocol;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Protocol;

public sealed class SchemaTests
{
    [Fact]
    public void A_schema_comes_back_from_its_bytes()
    {
        Schema schema = TestSchemas.Meadow();
        Assert.True(Schema.TryRead(schema.Bytes, out Schema? read));
        Assert.Equal(schema.Hash, read!.Hash);
        Assert.True(schema.Bytes.SequenceEqual(read.Bytes));
        for (int k = 0; k < schema.Kinds.Length; k++)
        {
            Kind kind = schema.Kinds[k], other = read.Kinds[k];
            Assert.Equal((kind.Name, kind.HasMotion, kind.Radius, kind.Body, kind.WordCount, kind.AllGroups), (other.Name, other.HasMotion, other.Radius, other.Body, other.WordCount, other.AllGroups));
            Assert.True(kind.Speeds.SequenceEqual(other.Speeds));
            foreach (Field field in kind.Fields)
            {
                Field match = other[field.Name];
                Assert.Equal((field.Type, field.Bits, field.Word, field.Shift, field.GroupIndex), (match.Type, match.Bits, match.Word, match.Shift, match.GroupIndex));
            }
        }
    }

    [Fact]
    public void The_hash_changes_with_everything_that_is_on_the_wire()
    {
        HashSet<ulong> hashes =
        [
            Build(group => group.Int("a", 4)).Hash,
            Build(group => group.Int("a", 5)).Hash,
            Build(group => group.Int("b", 4)).Hash,
            Build(group => group.Enum("a", 4)).Hash,
            Build(group => group.Int("a", 4, required: true)).Hash,
            Build(group => group.Float("a", 0, 1, 4)).Hash,
            Build(group => group.Float("a", 0, 2, 4)).Hash,
            Build(group => group.Int("a", 4), Audience.Owner).Hash,
            Build(group => group.Int("a", 4), sampled: true).Hash,
            Build(group => group.Int("a", 4), positionBits: 15).Hash,
        ];
        Assert.Equal(10, hashes.Count);
        Assert.Equal(Build(group => group.Int("a", 4)).Hash, Build(group => group.Int("a", 4)).Hash);
    }

    [Fact]
    public void Who_is_told_and_how_far_is_no_part_of_the_bytes()
    {
        var plain = new SchemaBuilder();
        plain.Kind("tower").Group("one").Int("a", 4);
        var visible = new SchemaBuilder();
        visible.Kind("tower").Visible(Visibility.Party).Far(300).Group("one").Int("a", 4);
        Schema schema = visible.Build();
        Assert.Equal((Visibility.Party, 300), (schema["tower"].Visibility, schema["tower"].FarRadiusUnits));
        Assert.Equal(plain.Build().Hash, schema.Hash);
        Assert.True(Schema.TryRead(schema.Bytes, out Schema? read));
        Assert.Equal((Visibility.ByDistance, 0), (read!["tower"].Visibility, read["tower"].FarRadiusUnits));
    }

    [Fact]
    public void A_visibility_that_cannot_be_is_refused()
    {
        Assert.Throws<SchemaException>(() => new SchemaBuilder().Kind("tower").Visible((Visibility)5));
        Assert.Throws<SchemaException>(() => new SchemaBuilder().Kind("tower").Far(0));
        Assert.Throws<SchemaException>(() => new SchemaBuilder().Kind("tower").Far(32_769));
        foreach (Visibility visibility in new[] { Visibility.Always, Visibility.Never })
        {
            var builder = new SchemaBuilder();
            builder.Kind("tower").Visible(visibility).Far(300).Group("one").Int("a", 4);
            Assert.Contains("tower", Assert.Throws<SchemaException>(builder.Build).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_golden_hash_and_bytes()
    {
        Schema schema = Build(group => group.Int("a", 4).Text("name", 24));
        Assert.Equal("00081001057468696E67430600000040149CC9BDD5C141080803020000000000000000815B585B1982000000000000C04100", Convert.ToHexString(schema.Bytes));
        Assert.Equal(5_238_429_563_842_076_591UL, schema.Hash);
    }

    [Fact]
    public void A_schema_cut_short_or_longer_is_refused()
    {
        ReadOnlySpan<byte> bytes = TestSchemas.Meadow().Bytes;
        for (int length = 0; length < bytes.Length; length++)
            Assert.False(Schema.TryRead(bytes[..length], out _), $"{length} bytes");
        byte[] longer = [.. bytes, 0];
        Assert.False(Schema.TryRead(longer, out _));
    }

    [Fact]
    public void Random_bytes_never_throw_and_what_is_read_writes_the_same_bytes()
    {
        var random = new SeededRandom(4);
        byte[] good = TestSchemas.Meadow().Bytes.ToArray();
        int read = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = [.. good];
            if (i % 2 == 0)
                bytes[random.Next(0, bytes.Length)] ^= (byte)(1 << random.Next(0, 8));
            else
                new Random(i).NextBytes(bytes);
            if (!Schema.TryRead(bytes, out Schema? schema))
                continue;
            read++;
            Assert.True(schema!.Bytes.SequenceEqual(bytes));
        }

        Assert.True(read > 100);
    }

    [Fact]
    public void A_schema_that_cannot_be_says_why()
    {
        Assert.Throws<SchemaException>(() => new SchemaBuilder(2000));
        Assert.Throws<SchemaException>(() => new SchemaBuilder(2048, 19));
        Assert.Throws<SchemaException>(() => new SchemaBuilder().Build());
        Assert.Throws<SchemaException>(() => Build(group => group.Int("a", 33)));
        Assert.Throws<SchemaException>(() => Build(group => group.Int("a", 0)));
        Assert.Throws<SchemaException>(() => Build(group => group.Int("a", 4).Int("a", 4)));
        Assert.Throws<SchemaException>(() => Build(group => group.Float("a", 1, 1, 4)));
        Assert.Throws<SchemaException>(() => Build(group => group.Float("a", float.NaN, 1, 4)));
        Assert.Throws<SchemaException>(() => Build(group => group.Text("a", 256)));
        Assert.Throws<SchemaException>(() => Build(group => group.Position2()));       // the kind publishes motion
        SchemaException problem = Assert.Throws<SchemaException>(() => Build(group =>
        {
            for (int i = 0; i < 7; i++)
                group.Int($"field{i}", 32);
        }));
        Assert.Contains("field6", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_field_never_lies_across_two_words()
    {
        Schema schema = Build(group => group.Int("a", 30).Int("b", 30).Int("c", 30).Int("d", 30));
        Kind kind = schema.Kinds[0];
        Assert.Equal(3, kind.WordCount);
        Assert.Equal([(1, 0), (1, 30), (2, 0), (2, 30)], kind.Fields.ToArray().Select(field => (field.Word, field.Shift)));
    }

    [Fact]
    public void Owners_see_what_owners_and_parties_see()
    {
        Kind walker = TestSchemas.Meadow()["walker"];
        Assert.Equal(0b00111, walker.VisibleGroups(owner: false, party: false));
        Assert.Equal(0b11111, walker.VisibleGroups(owner: true, party: false));
        Assert.Equal(0b10111, walker.VisibleGroups(owner: false, party: true));
    }

    [Fact]
    public void A_client_of_another_version_finds_its_fields_by_name()
    {
        Schema own = Build(group => group.Int("a", 4).Int("gone", 3).Int("recoded", 5));
        Schema server = Build(group => group.Int("new", 9).Int("a", 6).Enum("recoded", 5));
        Assert.True(SchemaMap.TryCreate(own, server, out SchemaMap map, out string difference), difference);
        Kind kind = own.Kinds[0];
        Assert.Same(server.Kinds[0]["a"], map.Find(kind["a"]));
        Assert.Null(map.Find(kind["gone"]));
        Assert.Null(map.Find(kind["recoded"]));
        Assert.Same(kind, map.FindOwn(server.Kinds[0]));
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("recoded")]
    public void A_required_field_that_the_server_lacks_or_codes_otherwise_is_named(string field)
    {
        Schema own = Build(group => group.Int("a", 4).Int(field, 4, required: true));
        Schema server = Build(group => group.Int("a", 4).Enum("recoded", 4));
        Assert.False(SchemaMap.TryCreate(own, server, out _, out string difference));
        Assert.Contains($"'{field}'", difference, StringComparison.Ordinal);
    }

    [Fact]
    public void A_world_of_another_size_is_named()
    {
        Assert.False(SchemaMap.TryCreate(TestSchemas.Meadow(512), TestSchemas.Meadow(1024), out _, out string difference));
        Assert.Contains("extent", difference, StringComparison.Ordinal);
    }

    private static Schema Build(Action<KindBuilder> fields, Audience audience = Audience.All, bool sampled = false, int positionBits = 16)
    {
        var builder = new SchemaBuilder(2048, positionBits);
        fields(builder.Kind("thing").Motion(100).Group("group", audience, sampled));
        return builder.Build();
    }
}
