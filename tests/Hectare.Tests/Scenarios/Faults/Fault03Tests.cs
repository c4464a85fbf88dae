using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Scenarios.Faults;

/// <summary>
/// Audited: a general compressor over packets whose bits are packed already: time and jitter for a few percent. Answer: none on snapshots.
/// Method: snapshots of 8 peers who come among 200 walkers and 1,000 crates are recorded for ten seconds, then each is compressed by itself, as a datagram must be. So
/// that the measure cannot be fooled, the same entities are compressed as the text that a naive protocol would send: there it must gain.
/// </summary>
public sealed class Fault03Tests(ITestOutputHelper output)
{
    private const int Peers = 8;

    [Fact]
    public void Fault03_compressing_snapshots_costs_time_and_gains_little()
    {
        List<byte[]> snapshots = [], texts = [];
        Record(snapshots, texts);
        long plain = snapshots.Sum(snapshot => (long)snapshot.Length);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"on (none): {snapshots.Count} snapshots, {plain / (double)snapshots.Count:F1} bytes each, 0 us"));
        foreach (int quality in (int[])[1, 4, 9])
        {
            (double gain, double us) = Compress(snapshots, quality);
            (double textGain, double textUs) = Compress(texts, quality);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"off (Brotli {quality}): snapshots {gain:P1} smaller at {us:F1} us each; the same as text {textGain:P1} smaller at {textUs:F1} us"));
            Assert.True(gain < 0.10, $"Brotli {quality} gains {gain:P1} on snapshots");
            Assert.True(textGain > 0.30, $"Brotli {quality} gains only {textGain:P1} on text: this measures nothing");
        }
    }

    private static (double Gain, double Us) Compress(List<byte[]> packets, int quality)
    {
        byte[] room = new byte[65_536];
        long before = 0, after = 0, start = Stopwatch.GetTimestamp();
        foreach (byte[] packet in packets)
        {
            Assert.True(BrotliEncoder.TryCompress(packet, room, out int bytes, quality, window: 16));
            before += packet.Length;
            after += bytes;
        }

        return (1 - (after / (double)before), Stopwatch.GetElapsedTime(start).TotalMicroseconds / packets.Count);
    }

    private static void Record(List<byte[]> snapshots, List<byte[]> texts)
    {
        Schema schema = TestSchemas.Meadow();
        var zone = new InMemoryZone(schema, new ReplicationOptions());
        var walkers = new Wanderers(zone.World, schema["walker"], 200, middle: 256, halfSide: 60);
        var random = new SeededRandom(4);
        int[] crates = [.. Enumerable.Range(0, 1_000).Select(_ => zone.Spawn(schema["crate"], 512 * random.NextDouble(), 512 * random.NextDouble()))];
        for (int i = 0; i < Peers; i++)
            zone.AddPeer(walkers.Rows[i]);
        zone.Written = (_, _, tail) => snapshots.Add(tail.ToArray());
        for (int i = 0; i < 100; i++)
        {
            zone.Run(3, Game);
            texts.Add(AsText(zone, walkers.Rows));
        }

        void Game()
        {
            walkers.Step();
            zone.World.Set(crates[random.Next(0, crates.Length)], schema["crate"]["content"], (uint)random.Next(0, 4_096));
        }
    }

    private static byte[] AsText(InMemoryZone zone, int[] rows)
    {
        var text = new StringBuilder();
        foreach (int row in rows.AsSpan(0, 20))
            text.Append(CultureInfo.InvariantCulture, $"{{\"id\":{zone.World.Id[row]},\"x\":{Units.ToDouble(zone.World.X[row]):F2},\"y\":{Units.ToDouble(zone.World.Y[row]):F2}}}");
        return Encoding.UTF8.GetBytes(text.ToString());
    }
}
