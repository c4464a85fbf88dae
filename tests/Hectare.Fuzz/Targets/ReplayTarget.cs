using Hectare.Client;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Fuzz.Targets;

/// <summary>A recording replayed by the zone that it is for: damaged times, datagrams, random values and commands. It refuses by one exception alone.</summary>
internal sealed class ReplayTarget() : FuzzTarget("replay", "a whole recording, replayed by its zone")
{
    private const int PoolSize = 4;
    private const int EntitiesMax = 2_048, PlayersMax = 16;

    private static readonly ZoneOptions Rules = new()
    {
        PlayersMax = 4,
        EntitiesMax = 1_024,
        Limits = new ZoneLimits { HandshakesPerTickMax = 8 },
        Access = new ZoneAccess { Keys = FuzzKeys.Cluster.ToText(), StartUnixSeconds = FuzzKeys.NowUnixSeconds },
    };

    private readonly List<byte[]> _pool = [];

    public override int InputBytesMax => 48 * 1024;

    // A zone with its buffers, every time.
    public override long AllocatedBytesMax(ReadOnlySpan<byte> input) => 32 << 20;

    public override int SlowMs => 500;

    public override void Begin()
    {
        for (ulong seed = 1; seed <= PoolSize; seed++)
            _pool.Add(Record(seed));
    }

    public override int Generate(ref SeededRandom random, Span<byte> destination)
    {
        byte[] file = _pool[random.Next(0, _pool.Count)];
        file.CopyTo(destination);
        return file.Length;
    }

    public override RunResult Run(Span<byte> input)
    {
        int ticks = 0;
        try
        {
            using var replay = new ZoneReplay<TopDownInput>(new MemoryStream(input.ToArray()), MakeGame);
            while (replay.TryRunTick())
                ticks++;
            return new RunResult(Math.Max(1, ticks), replay.IsEqual ? Math.Max(1, ticks) : 0);
        }
        catch (RecordingException)
        {
            return new RunResult(Math.Max(1, ticks), 0);
        }
    }

    // Options that are sound and huge would only make it slow.
    private static ReplayedGame<TopDownInput> MakeGame(RecordingHeader header)
        => header.Options.EntitiesMax <= EntitiesMax && header.Options.PlayersMax <= PlayersMax && ulong.TryParse(header.Game, out ulong seed)
            ? new ReplayedGame<TopDownInput>(FuzzSchemas.Meadow, new FuzzGame(seed), FuzzMeadow.Map)
            : throw new RecordingException("not recorded here");

    // Two clients come in, walk and talk for as long as fits.
    private byte[] Record(ulong seed)
    {
        var file = new MemoryStream();
        using var recorder = new ZoneRecorder(file, $"{seed}");
        GameClient<TopDownInput>[] clients = [new(new ClientOptions(), FuzzSchemas.Meadow), new(new ClientOptions { Decode = false }, FuzzSchemas.Meadow)];
        long nowNs = 1_000_000_000;
        using var socket = new FuzzSocket(FuzzKeys.Server, (to, datagram) => clients[to.Port - 5_000].Receive(datagram.ToArray(), nowNs));
        using var zone = new Zone<TopDownInput>(Rules, FuzzSchemas.Meadow, new FuzzGame(seed), FuzzMeadow.Map, ZoneRandom.Seeded(seed), [socket], new ZoneHooks { Recorder = recorder });
        for (int i = 0; i < clients.Length; i++)
            clients[i].Connect(nowNs, new Random128(seed, (ulong)i), FuzzKeys.Mint(seed + (ulong)i));
        byte[] datagram = new byte[PacketHeader.DatagramBytesMax];
        for (uint tick = 0; tick < 90; tick++)
        {
            nowNs += Rules.TickLengthNs;
            for (int i = 0; i < clients.Length; i++)
            {
                clients[i].SetInput(new TopDownInput(new Intent((byte)(tick / 10 * 32), Intent.MagnitudeMax), 0));
                if (tick % 20 == 19)
                    clients[i].SendMessage(Lane.Chat, datagram.AsSpan(0, (int)tick));
                clients[i].Update(nowNs);
                while (clients[i].TryTakeDatagram(datagram, out int bytes))
                    socket.Arrive(PeerAddress.Loopback(5_000 + i), datagram.AsSpan(0, bytes));
            }

            if (tick == 50)
                zone.Command("freeze");
            zone.RunTick(nowNs, nowNs);
        }

        zone.Close(CloseCode.ShuttingDown, nowNs);
        zone.RunTick(nowNs + Rules.TickLengthNs, nowNs + Rules.TickLengthNs);
        zone.EndRecording();
        byte[] recording = file.ToArray();
        Property.Holds(recording.Length <= InputBytesMax, $"a recording of {recording.Length} bytes");
        return recording;
    }
}
