using System.Buffers.Binary;
using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json.Nodes;
using Hectare.Farm;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class RecordingTests
{
    [Theory]
    [InlineData(1, "perfect")]
    [InlineData(2, "hell")]
    [InlineData(3, "audit-5pct")]
    [InlineData(4, "perfect")]
    public void A_replay_sends_the_same_datagrams_byte_for_byte(ulong seed, string link)
    {
        using var file = new MemoryStream();
        RecordingEnd recorded = Record(file, seed, link == "perfect" ? LinkProfile.Perfect : LinkProfile.Get(link), ticks: 600, out List<string> events);
        Assert.True(recorded.Datagrams > 500, $"{recorded.Datagrams} datagrams");

        using ZoneReplay<TopDownInput> replay = Replay(file, out Func<TestGame> game);
        Assert.Equal("uniform seed 1", replay.Header.Game);
        Assert.Equal(64, replay.Header.Options.PlayersMax);
        Assert.Equal(20, replay.Header.Options.Replication.DwellTicks);
        while (replay.TryRunTick())
        {
        }

        Assert.Equal(recorded, replay.Recorded);
        Assert.Equal(recorded, replay.Replayed);
        Assert.True(replay.IsEqual);
        Assert.Equal(events, game().Events);
        Assert.Contains("command freeze", events, StringComparer.Ordinal);
        Assert.Contains(events, one => one.EndsWith("TimedOut None may return", StringComparison.Ordinal));
        Assert.Contains(events, one => one.EndsWith("Local Replaced may return", StringComparison.Ordinal));
        Assert.Contains(events, one => one.StartsWith("forgotten", StringComparison.Ordinal));
        Assert.True(replay.Zone.Metrics.PathsProved >= 2);
        Assert.NotEqual(PressureLevel.Full, replay.Zone.PressureLevel);
    }

    [Fact]
    public void A_changed_datagram_gives_another_hash()
    {
        using var file = new MemoryStream();
        Record(file, 1, LinkProfile.Perfect, ticks: 300, out _);
        byte[] bytes = file.ToArray();
        // Most bytes of a recording are inside datagrams; some that are not (a time that nobody reads) may change nothing.
        int changed = 0;
        for (int at = bytes.Length / 2; at < bytes.Length; at += bytes.Length / 20)
        {
            byte[] other = [.. bytes];
            other[at] ^= 1;
            using ZoneReplay<TopDownInput> replay = Replay(new MemoryStream(other), out _);
            try
            {
                while (replay.TryRunTick())
                {
                }

                changed += replay.IsEqual ? 0 : 1;
            }
            catch (RecordingException)
            {
                changed++;
            }
        }

        Assert.True(changed > 0);
    }

    [Fact]
    public void A_recording_cut_at_any_length_says_so_or_ends_unequal()
    {
        using var file = new MemoryStream();
        Record(file, 3, LinkProfile.Perfect, ticks: 40, out _);
        byte[] bytes = file.ToArray();
        var random = new SeededRandom(1);
        for (int i = 0; i < 60; i++)
        {
            int length = i < 20 ? i : random.Next(0, bytes.Length);
            try
            {
                using ZoneReplay<TopDownInput> replay = Replay(new MemoryStream(bytes, 0, length), out _);
                while (replay.TryRunTick())
                {
                }

                Assert.False(replay.IsEqual);
            }
            catch (RecordingException cut)
            {
                Assert.NotEmpty(cut.Message);
            }
        }
    }

    [Fact]
    public void A_recording_of_another_map_or_schema_is_refused()
    {
        using var file = new MemoryStream();
        Record(file, 3, LinkProfile.Perfect, ticks: 10, out _);
        byte[] bytes = file.ToArray();
        var tiles = new TileMap(1, 1, [1]);
        Assert.Throws<RecordingException>(() => new ZoneReplay<TopDownInput>(new MemoryStream(bytes), _ => new ReplayedGame<TopDownInput>(TestGame.SharedSchema.Schema, new TestGame(TestGame.Small with { Crops = 0, Trees = 0, Crates = 0, Animals = 0 }), tiles)));
        Assert.Throws<RecordingException>(() => new ZoneReplay<TopDownInput>(new MemoryStream(bytes), _ => new ReplayedGame<TopDownInput>(new FarmSchema(60).Schema, new TestGame(TestGame.Small), ZoneBench.OpenMap)));
    }

    [Fact]
    public void A_replay_that_is_refused_leaves_no_meter_behind()
    {
        const ushort Zone = 54_321;
        using var file = new MemoryStream();
        using (var recorder = new ZoneRecorder(new Unclosed(file), ""))
        {
            using var bench = new ZoneBench(new ZoneOptions { Zone = new ZoneId(Zone), PlayersMax = 8, EntitiesMax = 4096 }, hooks: new ZoneHooks { Recorder = recorder });
            bench.Run(1);
        }

        byte[] bytes = file.ToArray(), noRandom = [.. bytes[..(10 + BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(6)))]];
        var tiles = new TileMap(1, 1, [1]);
        Assert.Throws<RecordingException>(() => new ZoneReplay<TopDownInput>(new MemoryStream(bytes), _ => new ReplayedGame<TopDownInput>(TestGame.SharedSchema.Schema, new TestGame(TestGame.Small with { Crops = 0, Trees = 0, Crates = 0, Animals = 0 }), tiles)));
        Assert.Throws<RecordingException>(() => Replay(new MemoryStream(noRandom), out _));
        int seen = 0;
        using var listener = new MeterListener { InstrumentPublished = (instrument, self) => self.EnableMeasurementEvents(instrument) };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => seen += tags.ToArray().Any(tag => tag.Value is Zone) ? 1 : 0);
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.Equal(0, seen);
    }

    [Theory]
    [InlineData("options")]
    [InlineData("replication")]
    [InlineData("mapHash")]
    [InlineData("game")]
    public void A_header_with_nothing_where_something_must_be_is_refused(string name)
    {
        using var file = new MemoryStream();
        Record(file, 3, LinkProfile.Perfect, ticks: 1, out _);
        byte[] bytes = file.ToArray();
        int headerBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(6));
        JsonNode header = JsonNode.Parse(bytes.AsSpan(10, headerBytes))!;
        JsonObject holder = name == "replication" ? header["options"]!.AsObject() : header.AsObject();
        Assert.True(holder.ContainsKey(name));
        holder[name] = null;
        byte[] emptied = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] other = [.. bytes[..10], .. emptied, .. bytes[(10 + headerBytes)..]];
        BinaryPrimitives.WriteInt32LittleEndian(other.AsSpan(6), emptied.Length);
        Assert.Contains("damaged", Assert.Throws<RecordingException>(() => Replay(new MemoryStream(other), out _)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_recording_is_for_its_owner_only()
    {
        string path = Path.Combine(Path.GetTempPath(), $"hectare-{Guid.NewGuid():N}.rec");
        try
        {
            ZoneRecorder.Create(path, "").Dispose();
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static RecordingEnd Record(MemoryStream file, ulong seed, LinkProfile link, int ticks, out List<string> events)
    {
        using var recorder = new ZoneRecorder(new Unclosed(file), "uniform seed 1");
        var options = new ZoneOptions { PlayersMax = 64, EntitiesMax = 4096, TimeOutMs = 2_000, BytesPerSecondMax = seed == 3 ? 5_000 : 0, PacketsPerSecondMax = seed == 4 ? 60 : 0, Access = new ZoneAccess { ResumeSeconds = 5 }, Replication = new() { DwellTicks = 20 } };
        using var bench = new ZoneBench(options, hooks: new ZoneHooks { Recorder = recorder }, seed: seed, link: link);
        for (ulong i = 0; i < 12; i++)
        {
            bench.Join(i + (seed * 100), schemaHash: i == 3 ? 1 : null);
            bench.Run(3);
        }

        bench.Run(ticks / 2);
        // Measured time is no part of a recording; what the zone made of it is.
        for (int i = 0; i < 60 * (int)seed; i++)
        {
            bench.Run(1);
            bench.Zone.NoteWork(bench.Zone.TickLengthNs);
        }

        bench.Zone.Command("freeze");
        bench.Clients[1].Connection.Close(CloseCode.Left, bench.NowNs);
        bench.Clients[2].SendEvery = 0;
        bench.Clients[4].Say(Lane.Action, "till");
        // Some move; some are lost, of whom one comes back and one is forgotten; one replaces itself.
        bench.Links.Rebind(PeerAddress.Loopback(10_005), PeerAddress.Loopback(15_005));
        bench.Links.Rebind(PeerAddress.Loopback(10_006), PeerAddress.FromIPv4(0x0A00_0001, 10_006));
        TestClient lost = bench.Clients[7];
        bench.Clients.RemoveRange(7, 2);
        bench.Join(500, token: bench.Clients[7].ResumeToken);
        for (int i = 1; i <= 3; i++)
            bench.Zone.RunTick(bench.NowNs + (i * bench.Options.TickLengthNs), bench.NowNs + (3 * bench.Options.TickLengthNs), behind: i < 3);
        for (int i = 0; i < 5; i++)
            bench.UpdateClients();
        bench.Run(ticks / 4);
        bench.Join(501, token: lost.ResumeToken);
        bench.Run(ticks / 4);
        bench.Zone.Close(CloseCode.ShuttingDown, bench.NowNs);
        bench.Run(10);
        bench.Zone.EndRecording();
        events = bench.Game.Events;
        return bench.Zone.End;
    }

    private static ZoneReplay<TopDownInput> Replay(MemoryStream file, out Func<TestGame> game)
    {
        TestGame? made = null;
        file.Position = 0;
        game = () => made!;
        return new ZoneReplay<TopDownInput>(file, _ => new ReplayedGame<TopDownInput>(TestGame.SharedSchema.Schema, made = new TestGame(TestGame.Small), ZoneBench.OpenMap));
    }

    /// <summary>A stream whose owner keeps it.</summary>
    private sealed class Unclosed(MemoryStream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => inner.Length;

        public override long Position
        {
            get => inner.Position;
            set => throw new NotSupportedException();
        }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}
