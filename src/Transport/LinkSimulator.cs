using Hectare.Protocol;

namespace Hectare.Transport;

/// <summary>A network in memory and in virtual time: any number of sockets, and between them links that lose, delay, reorder, copy, corrupt and queue.</summary>
/// <remarks>The same seed and the same calls give the same arrivals. Each direction of a link has a random stream of its own, named by its two
/// addresses, so that what one link does never depends on another. Allocates nothing once it has grown to what is under way. One thread.</remarks>
public sealed class LinkSimulator
{
    private const int ChunkSlots = 64;

    private readonly ulong _seed;
    private readonly Dictionary<PeerAddress, SimulatedSocket> _sockets = [];
    private readonly Dictionary<LinkKey, SimulatedLink> _links = [];
    private readonly List<byte[]> _chunks = [];
    private Flight[] _flights = [];
    private int[] _free = [];
    private int _freeCount;
    private Arrival[] _heap = new Arrival[64];
    private int _heapCount;
    private ulong _order;

    /// <summary>An empty network at time 0.</summary>
    public LinkSimulator(ulong seed) => _seed = seed;

    /// <summary>Virtual time, ns.</summary>
    public long NowNs { get; private set; }

    /// <summary>What links do that nobody has set: one without a trace. Default <c>lan</c>.</summary>
    public LinkProfile DefaultProfile
    {
        get;
        set => field = value.TraceName is null ? value : throw new ArgumentException($"the default link cannot be '{value.Name}': it needs a trace", nameof(value));
    } = LinkProfile.Get("lan");

    /// <summary>Told of every datagram when it arrives or is dropped.</summary>
    public Action<LinkEvent>? Observer { get; set; }

    /// <summary>When the next datagram arrives, ns; <see cref="long.MaxValue"/> when none is under way.</summary>
    public long NextArrivalNs => _heapCount == 0 ? long.MaxValue : _heap[0].AtNs;

    /// <summary>Datagrams under way.</summary>
    public int UnderWay => _heapCount;

    /// <summary>Opens a socket.</summary>
    /// <exception cref="AddressInUseException">There is one at that address.</exception>
    public IDatagramSocket Open(PeerAddress address)
    {
        var socket = new SimulatedSocket(this, address);
        if (!_sockets.TryAdd(address, socket))
            throw new AddressInUseException(address);
        return socket;
    }

    /// <summary>Sets one direction of a link, from now on.</summary>
    /// <param name="from">Sender.</param>
    /// <param name="to">Receiver.</param>
    /// <param name="profile">What it does.</param>
    /// <param name="trace">The rate, for profiles with a <see cref="LinkProfile.TraceName"/>.</param>
    public void SetLink(PeerAddress from, PeerAddress to, LinkProfile profile, LinkTrace? trace = null)
    {
        ArgumentNullException.ThrowIfNull(profile);
        LinkOf(from, to).SetProfile(profile, trace);
    }

    /// <summary>Sets both directions between a client and a server.</summary>
    public void SetPath(PeerAddress client, PeerAddress server, LinkProfile profile, LinkTracePair? traces = null)
    {
        SetLink(client, server, profile, traces?.Up);
        SetLink(server, client, profile, traces?.Down);
    }

    /// <summary>Loses everything sent from <paramref name="startNs"/> until before <paramref name="endNs"/> in one direction.</summary>
    public void AddOutage(PeerAddress from, PeerAddress to, long startNs, long endNs) => LinkOf(from, to).AddOutage(startNs, endNs);

    /// <summary>Moves a socket to another address, as a NAT or a phone does: what is under way to the old one is lost, its links go with it.</summary>
    /// <exception cref="AddressInUseException">There is a socket at the new address.</exception>
    public void Rebind(PeerAddress old, PeerAddress moved)
    {
        if (_sockets.ContainsKey(moved))
            throw new AddressInUseException(moved);
        if (!_sockets.Remove(old, out SimulatedSocket? socket))
            throw new ArgumentException($"no socket is open at {old}", nameof(old));
        socket.LocalAddress = moved;
        _sockets.Add(moved, socket);
        foreach (SimulatedLink link in _links.Values.Where(link => link.From == old || link.To == old).ToArray())
        {
            _links.Remove(new LinkKey(link.From, link.To));
            link.From = link.From == old ? moved : link.From;
            link.To = link.To == old ? moved : link.To;
            _links[new LinkKey(link.From, link.To)] = link;
        }
    }

    /// <summary>What one direction of a link has done so far.</summary>
    public LinkStatistics Statistics(PeerAddress from, PeerAddress to) => LinkOf(from, to).Statistics;

    /// <summary>Forgets the gap measured so far in one direction: the next one starts with the next arrival.</summary>
    public void ResetInOrderGap(PeerAddress from, PeerAddress to)
    {
        SimulatedLink link = LinkOf(from, to);
        link.Statistics.LastInOrderNs = -1;
        link.Statistics.LongestInOrderGapNs = 0;
    }

    /// <summary>Where in its trace the link between the two stands at virtual time 0, ns, before wrapping; the same in both directions.</summary>
    public long TraceOffsetNs(PeerAddress from, PeerAddress to) => LinkOf(from, to).TraceOffsetNs;

    /// <summary>Lets time pass: everything that arrives until then is in its receiver's queue afterwards.</summary>
    public void AdvanceTo(long nowNs)
    {
        Contract.Assert(nowNs >= NowNs);
        while (_heapCount > 0 && _heap[0].AtNs <= nowNs)
        {
            Arrival arrival = PopArrival();
            NowNs = Math.Max(NowNs, arrival.AtNs);
            Deliver(arrival.Slot);
        }

        NowNs = nowNs;
    }

    private int Send(PeerAddress from, DatagramBatch batch, SocketCounters counters)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            ReadOnlySpan<byte> datagram = batch.Datagram(i);
            SendOne(LinkOf(from, batch.Address[i]), datagram);
            counters.SentDatagrams++;
            counters.SentBytes += datagram.Length;
        }

        return batch.Count;
    }

    private void SendOne(SimulatedLink link, ReadOnlySpan<byte> datagram)
    {
        long number = link.Statistics.Sent++;
        LinkFate fate = link.Judge(NowNs, datagram.Length, out long leaveNs);
        if (fate != LinkFate.Delivered)
        {
            CountDrop(link, fate);
            Observer?.Invoke(new LinkEvent { From = link.From, To = link.To, Number = number, Bytes = datagram.Length, SentNs = NowNs, AtNs = NowNs, Fate = fate });
            return;
        }

        Launch(link, datagram, number, leaveNs + link.DrawDelayNs(), isDuplicate: false);
        if (!link.DrawDuplicate())
            return;
        link.Statistics.Duplicated++;
        Launch(link, datagram, number, leaveNs + link.DrawDelayNs(), isDuplicate: true);
    }

    private void Launch(SimulatedLink link, ReadOnlySpan<byte> datagram, long number, long arriveNs, bool isDuplicate)
    {
        int slot = TakeSlot();
        Span<byte> bytes = SlotBytes(slot)[..datagram.Length];
        datagram.CopyTo(bytes);
        bool isCorrupted = link.DrawCorrupt();
        if (isCorrupted)
        {
            link.Corrupt(bytes);
            link.Statistics.Corrupted++;
        }

        _flights[slot] = new Flight
        {
            Link = link,
            From = link.From,
            To = link.To,
            Number = number,
            SentNs = NowNs,
            Bytes = datagram.Length,
            IsDuplicate = isDuplicate,
            IsCorrupted = isCorrupted,
        };
        PushArrival(new Arrival(arriveNs, _order++, slot));
    }

    private void Deliver(int slot)
    {
        ref Flight flight = ref _flights[slot];
        SimulatedLink link = flight.Link!;
        bool isHeard = _sockets.TryGetValue(flight.To, out SimulatedSocket? socket);
        bool inOrder = isHeard && flight.Number > link.HighestDelivered;
        if (isHeard)
            CountDelivery(link, ref flight, inOrder);
        else
            CountDrop(link, LinkFate.NoReceiver);
        Observer?.Invoke(new LinkEvent
        {
            From = flight.From,
            To = flight.To,
            Number = flight.Number,
            Bytes = flight.Bytes,
            SentNs = flight.SentNs,
            AtNs = NowNs,
            Fate = isHeard ? LinkFate.Delivered : LinkFate.NoReceiver,
            InOrder = inOrder,
            IsDuplicate = flight.IsDuplicate,
            IsCorrupted = flight.IsCorrupted,
        });
        if (isHeard)
            socket!.Enqueue(slot);
        else
            GiveSlot(slot);
    }

    private void CountDelivery(SimulatedLink link, ref Flight flight, bool inOrder)
    {
        ref LinkStatistics statistics = ref link.Statistics;
        statistics.Delivered++;
        statistics.DeliveredBytes += flight.Bytes;
        statistics.DelaySumNs += NowNs - flight.SentNs;
        if (!inOrder)
        {
            statistics.Overtaken += flight.IsDuplicate ? 0 : 1;
            return;
        }

        link.HighestDelivered = flight.Number;
        if (statistics.LastInOrderNs >= 0)
            statistics.LongestInOrderGapNs = Math.Max(statistics.LongestInOrderGapNs, NowNs - statistics.LastInOrderNs);
        statistics.LastInOrderNs = NowNs;
    }

    private static void CountDrop(SimulatedLink link, LinkFate fate)
    {
        switch (fate)
        {
            case LinkFate.Lost:
                link.Statistics.Lost++;
                break;
            case LinkFate.Outage:
                link.Statistics.DroppedInOutage++;
                break;
            case LinkFate.QueueFull:
                link.Statistics.DroppedByQueue++;
                break;
            default:
                link.Statistics.DroppedUnheard++;
                break;
        }
    }

    private SimulatedLink LinkOf(PeerAddress from, PeerAddress to)
    {
        var key = new LinkKey(from, to);
        if (_links.TryGetValue(key, out SimulatedLink? link))
            return link;
        ulong one = SeededRandom.MixSeed(_seed, AddressSeed(from));
        ulong other = SeededRandom.MixSeed(_seed, AddressSeed(to));
        link = new SimulatedLink(from, to, SeededRandom.MixSeed(one, other), one ^ other);
        link.SetProfile(DefaultProfile, null);
        _links.Add(key, link);
        return link;
    }

    private static ulong AddressSeed(PeerAddress address) => SeededRandom.MixSeed(SeededRandom.MixSeed(address.High, address.Low), address.Port);

    private int TakeSlot()
    {
        if (_freeCount == 0)
        {
            int first = _chunks.Count * ChunkSlots;
            _chunks.Add(new byte[ChunkSlots * DatagramBatch.SlotBytes]);
            Array.Resize(ref _flights, first + ChunkSlots);
            Array.Resize(ref _free, first + ChunkSlots);
            for (int i = ChunkSlots - 1; i >= 0; i--)
                _free[_freeCount++] = first + i;
        }

        return _free[--_freeCount];
    }

    private void GiveSlot(int slot)
    {
        _flights[slot].Link = null;
        _free[_freeCount++] = slot;
    }

    private Span<byte> SlotBytes(int slot) =>
        _chunks[slot / ChunkSlots].AsSpan(slot % ChunkSlots * DatagramBatch.SlotBytes, DatagramBatch.SlotBytes);

    // A binary heap by time of arrival, then by order of sending: ties never depend on the heap's shape.
    private void PushArrival(Arrival arrival)
    {
        if (_heapCount == _heap.Length)
            Array.Resize(ref _heap, _heap.Length * 2);
        int i = _heapCount++;
        while (i > 0 && arrival.IsBefore(_heap[(i - 1) / 2]))
        {
            _heap[i] = _heap[(i - 1) / 2];
            i = (i - 1) / 2;
        }

        _heap[i] = arrival;
    }

    private Arrival PopArrival()
    {
        Arrival first = _heap[0];
        Arrival last = _heap[--_heapCount];
        int i = 0;
        while ((2 * i) + 1 < _heapCount)
        {
            int child = (2 * i) + 1;
            if (child + 1 < _heapCount && _heap[child + 1].IsBefore(_heap[child]))
                child++;
            if (!_heap[child].IsBefore(last))
                break;
            _heap[i] = _heap[child];
            i = child;
        }

        _heap[i] = last;
        return first;
    }

    // Not a tuple: unoptimised, a tuple's hash boxes what it holds.
    private readonly record struct LinkKey(PeerAddress From, PeerAddress To)
    {
        public override int GetHashCode() => (From.GetHashCode() * 31) + To.GetHashCode();
    }

    private readonly record struct Arrival(long AtNs, ulong Order, int Slot)
    {
        public bool IsBefore(in Arrival other) => AtNs < other.AtNs || (AtNs == other.AtNs && Order < other.Order);
    }

    private struct Flight
    {
        public SimulatedLink? Link;
        public PeerAddress From;
        public PeerAddress To;
        public long Number;
        public long SentNs;
        public int Bytes;
        public bool IsDuplicate;
        public bool IsCorrupted;
    }

    private sealed class SimulatedSocket : IDatagramSocket
    {
        private readonly LinkSimulator _network;
        private int[] _arrived = new int[16];
        private int _head;
        private int _count;

        public SimulatedSocket(LinkSimulator network, PeerAddress address)
        {
            _network = network;
            LocalAddress = address;
        }

        public PeerAddress LocalAddress { get; set; }

        public SocketCounters Counters { get; } = new();

        public int Receive(DatagramBatch batch)
        {
            batch.Clear();
            while (_count > 0 && !batch.IsFull)
            {
                int slot = Dequeue();
                ref Flight flight = ref _network._flights[slot];
                _network.SlotBytes(slot)[..flight.Bytes].CopyTo(batch.Buffer(batch.Count));
                batch.Add(flight.From, flight.Bytes, LocalAddress);
                Counters.ReceivedDatagrams++;
                Counters.ReceivedBytes += flight.Bytes;
                _network.GiveSlot(slot);
            }

            return batch.Count;
        }

        public int Send(DatagramBatch batch) => _network.Send(LocalAddress, batch, Counters);

        public void Dispose()
        {
            while (_count > 0)
                _network.GiveSlot(Dequeue());
            if (_network._sockets.TryGetValue(LocalAddress, out SimulatedSocket? open) && open == this)
                _network._sockets.Remove(LocalAddress);
        }

        public void Enqueue(int slot)
        {
            if (_count == _arrived.Length)
            {
                int[] larger = new int[_arrived.Length * 2];
                for (int i = 0; i < _count; i++)
                    larger[i] = _arrived[(_head + i) & (_arrived.Length - 1)];
                _arrived = larger;
                _head = 0;
            }

            _arrived[(_head + _count) & (_arrived.Length - 1)] = slot;
            _count++;
        }

        private int Dequeue()
        {
            int slot = _arrived[_head];
            _head = (_head + 1) & (_arrived.Length - 1);
            _count--;
            return slot;
        }
    }
}
