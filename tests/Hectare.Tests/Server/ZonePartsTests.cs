using System.Diagnostics.Metrics;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Server;

public sealed class ZonePartsTests
{
    private const ushort ZoneOfTest = 4711;   // other tests have zones, too, and the listener hears them all

    [Fact]
    public void The_peer_table_finds_what_was_added_through_any_order_of_removals()
    {
        // Few different low bits, so that every search runs through a crowd.
        var random = new SeededRandom(3);
        var table = new PeerTable(64);
        Dictionary<ulong, int> model = [];
        for (int i = 0; i < 20_000; i++)
        {
            ulong id = (random.NextUInt64() << 8) + (ulong)random.Next(1, 6);
            if (model.Count == 64 || (model.Count > 0 && random.NextBool(0.5)))
            {
                ulong gone = model.Keys.ElementAt(random.Next(0, model.Count));
                table.Remove(gone);
                model.Remove(gone);
            }
            else if (model.TryAdd(id, i))
            {
                table.Add(id, i);
            }

            foreach ((ulong known, int peer) in model)
            {
                Assert.True(table.TryFind(known, out int found));
                Assert.Equal(peer, found);
            }

            Assert.False(table.TryFind(0, out _));
            Assert.Equal(model.ContainsKey(id), table.TryFind(id, out _));
        }
    }

    [Fact]
    public void Every_phase_and_what_was_written_are_instruments_of_the_meter()
    {
        using var bench = new ZoneBench(new ZoneOptions { Zone = new ZoneId(ZoneOfTest), PlayersMax = 8, EntitiesMax = 4096 });
        bench.Join(1);
        bench.Run(60);
        var phases = new Dictionary<string, double>(StringComparer.Ordinal);
        long updates = 0;
        using var listener = new MeterListener { InstrumentPublished = (instrument, listening) => listening.EnableMeasurementEvents(instrument) };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            if (instrument.Name == "hectare.zone.phase_mean" && tags[0].Value is ushort zone && zone == ZoneOfTest)
                phases[(string)tags[1].Value!] = value;
        });
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => updates = instrument.Name == "hectare.zone.updates" ? Math.Max(updates, value) : updates);
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.Equal(Enum.GetNames<Phase>().Select(name => name.ToLowerInvariant()).Order(StringComparer.Ordinal), phases.Keys.Order(StringComparer.Ordinal));
        Assert.True(phases["step"] > 0 && updates > 0, $"step {phases["step"]} us, {updates} updates");
    }

    [Fact]
    public void The_inbound_queue_keeps_order_and_bytes_across_its_end_and_drops_when_full()
    {
        var queue = new InboundQueue(4096);
        var random = new SeededRandom(5);
        byte[] datagram = new byte[1200];
        Queue<(PeerAddress From, byte[] Bytes)> model = new();
        long added = 0;
        for (int i = 0; i < 5_000; i++)
        {
            int bytes = random.Next(0, 1200);
            datagram.AsSpan(0, bytes).Fill((byte)i);
            var from = new PeerAddress((ulong)i, random.NextUInt64(), (ushort)i);
            long dropped = queue.Dropped;
            queue.Add(from, datagram.AsSpan(0, bytes));
            if (queue.Dropped == dropped)
            {
                model.Enqueue((from, datagram[..bytes]));
                added++;
            }

            if (random.NextBool(0.4))
                TakeAll(queue, model);
        }

        TakeAll(queue, model);
        Assert.True(added > 1_000 && queue.Dropped > 0, $"{added} added, {queue.Dropped} dropped");
    }

    [Fact]
    public void The_inbound_queue_carries_from_one_thread_to_another()
    {
        const int Count = 200_000;
        var queue = new InboundQueue(1 << 16);
        var writer = new Thread(() =>
        {
            byte[] datagram = new byte[64];
            for (int i = 0; i < Count;)
            {
                BitConverter.TryWriteBytes(datagram, i);
                long dropped = queue.Dropped;
                queue.Add(default, datagram.AsSpan(0, 4 + (i % 60)));
                i += queue.Dropped == dropped ? 1 : 0;
            }
        });
        writer.Start();
        for (int expected = 0; expected < Count;)
        {
            queue.Look();
            while (queue.TryTake(out _, out Span<byte> datagram))
            {
                Assert.Equal(expected, BitConverter.ToInt32(datagram));
                Assert.Equal(4 + (expected % 60), datagram.Length);
                expected++;
            }
        }

        writer.Join();
    }

    [Fact]
    public void A_histogram_is_at_most_3_percent_too_high()
    {
        var histogram = new Histogram();
        for (long value = 0; value < 100_000; value++)
            histogram.Add(value * 17);
        foreach (double share in new[] { 0.01, 0.5, 0.9, 0.99, 0.999 })
        {
            double exact = share * 100_000 * 17;
            Assert.InRange(histogram.Percentile(share), exact * 0.999 - 20, (exact * 1.04) + 20);
        }

        Assert.Equal(99_999 * 17, histogram.Max);
        Assert.Equal(histogram.Max, histogram.Percentile(1));
        Assert.Equal(100_000, histogram.Count);
        Assert.Equal(99_999 * 17 / 2.0, histogram.Mean, 0.01);
        histogram.Clear();
        Assert.Equal(0, histogram.Percentile(0.5));
        histogram.Add(long.MaxValue);
        histogram.Add(-5);
        Assert.Equal(long.MaxValue, histogram.Percentile(1));
    }

    private static void TakeAll(InboundQueue queue, Queue<(PeerAddress From, byte[] Bytes)> model)
    {
        queue.Look();
        while (queue.TryTake(out PeerAddress from, out Span<byte> datagram))
        {
            (PeerAddress expectedFrom, byte[] expected) = model.Dequeue();
            Assert.Equal(expectedFrom, from);
            Assert.True(datagram.SequenceEqual(expected));
        }

        Assert.Empty(model);
    }
}
