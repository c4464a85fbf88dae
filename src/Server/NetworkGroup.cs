using System.Diagnostics;
using Hectare.Protocol;
using Hectare.Replication;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>A socket and the peers that belong to it. With threads it has one of its own, else the tick thread does its work.</summary>
/// <remarks>
/// The group's thread receives into a queue all the time, and writes and sends its peers' packets when the tick thread says so. What is
/// said and what is done are two numbers, each written by one side: no lock. Everything else of the zone it only reads, and only while the tick
/// thread waits for it.
/// </remarks>
internal sealed class NetworkGroup<TInput> : IDisposable
    where TInput : struct, IInput<TInput>
{
    /// <summary>Datagrams handed to a socket at once.</summary>
    public const int BatchDatagrams = 128;

    // A receiver that blocks costs its sender up to 1 us a wake-up; one that polls does not (docs/performance.md).
    private const long NapNs = 250_000;

    // The tick thread looks this often (some 30 us), then this far apart.
    private const int SpinLooks = 100;
    private const long WaitNs = 50_000;

    private readonly Zone<TInput> _zone;
    private readonly IDatagramSocket _socket;
    private readonly DatagramBatch _inbound = new(BatchDatagrams);
    private readonly DatagramBatch _outbound = new(BatchDatagrams);
    private readonly InboundQueue? _queue;
    private readonly Thread? _thread;
    private readonly bool _hash;
    private OutboundHash _outboundHash;
    private int _asks;           // handshake packets of this tick
    private int _responses;
    private int _inboundNext;
    private bool _inboundEnded;
    private Work _work = Work.Send;   // as after a tick: until the first one the thread naps between looks
    private int _ordered;        // by the tick thread
    private int _done;           // by the group's thread
    private volatile bool _stops;
    private volatile Exception? _failure;

    public NetworkGroup(Zone<TInput> zone, int index, IDatagramSocket socket, SnapshotWriter writer, bool ownThread, bool hash)
    {
        _zone = zone;
        _socket = socket;
        _hash = hash;
        Index = index;
        Writer = writer;
        Due = new int[zone.Options.PlayersMax];
        Replies = new DatagramBatch(2 * zone.Options.Limits.HandshakesPerTickMax);
        if (!ownThread)
            return;
        _queue = new InboundQueue();
        _thread = new Thread(Run) { Name = $"hectare net {index}", IsBackground = true };
        _thread.Start();
    }

    private enum Work
    {
        Write,
        Send,
    }

    public int Index { get; }

    /// <summary>Holds the scratch of this group's snapshots.</summary>
    public SnapshotWriter Writer { get; }

    /// <summary>Answers to strangers, filled in the receive phase: room for one to each ask and each response that is counted.</summary>
    public DatagramBatch Replies { get; }

    /// <summary>Indices of its peers, ascending. Changed by the tick thread in the receive and inputs phases only.</summary>
    public List<int> Peers { get; } = [];

    /// <summary>Scratch: which of them are looked at in this tick.</summary>
    public int[] Due { get; }

    public OutboundHash OutboundHash => _outboundHash;

    public long DatagramsOut { get; private set; }

    public long BytesOut { get; private set; }

    public int DatagramBytesMax { get; private set; }

    /// <summary>Bytes and packets that its peers would have been sent without the zone's budget, since the start.</summary>
    public (long Bytes, long Packets) Wanted { get; set; }

    /// <summary>Stamps spent sending while packets were written, since the tick thread last took them.</summary>
    public long SendStamps { get; set; }

    public long InboundDropped => _queue?.Dropped ?? 0;

    /// <summary>Tick thread, once a tick: what has come by now is what <see cref="TryTake"/> gives.</summary>
    public void Look()
    {
        _queue?.Look();
        _inboundEnded = false;
        // A tick that catches up sends nothing: its answers wait, and so does the share of the next.
        if (Replies.Count > 0)
            return;
        _asks = 0;
        _responses = 0;
    }

    /// <summary>Tick thread: counts a handshake packet that anyone can make. False when this tick's share is used up.</summary>
    public bool TryCountAsk() => _asks++ < _zone.Options.Limits.HandshakesPerTickMax;

    /// <summary>Tick thread: the same of answers to challenges.</summary>
    public bool TryCountResponse() => _responses++ < _zone.Options.Limits.HandshakesPerTickMax;

    /// <summary>Tick thread: the next datagram, to be opened in place; it is gone with the next call.</summary>
    public bool TryTake(out PeerAddress from, out Span<byte> datagram)
    {
        if (_queue is not null)
            return _queue.TryTake(out from, out datagram);
        if (_inboundNext == _inbound.Count && !Refill())
        {
            from = default;
            datagram = default;
            return false;
        }

        _zone.PrefetchOpening(_inbound, _inboundNext);
        from = _inbound.Address[_inboundNext];
        datagram = _inbound.MutableDatagram(_inboundNext++);
        return true;
    }

    /// <summary>Has every due packet of the group's peers written. Returns at once when it has a thread; see <see cref="Wait"/>.</summary>
    public void BeginWrite() => Begin(Work.Write);

    /// <summary>Has what was written sent.</summary>
    public void BeginSend() => Begin(Work.Send);

    /// <summary>Waits until what was begun is done: the barrier of a phase.</summary>
    /// <exception cref="InvalidOperationException">The group's thread failed; the zone must stop.</exception>
    public void Wait()
    {
        if (_thread is null)
            return;
        // Where threads outnumber processors a spinning waiter keeps its processor from the very thread it waits for.
        // A thread that failed between two orders hears no other.
        for (int looks = 0; Volatile.Read(ref _done) != _ordered && _failure is null; looks++)
        {
            if (looks < SpinLooks)
                Thread.SpinWait(20);
            else
                Clock.SleepUntil(Clock.NowNs + WaitNs);
        }

        if (_failure is { } failure)
            throw new InvalidOperationException($"network thread {Index} failed", failure);
    }

    /// <summary>The buffer for the next datagram; sends the batch first when it is full.</summary>
    public Span<byte> NextBuffer()
    {
        if (_outbound.IsFull)
        {
            long start = Stopwatch.GetTimestamp();
            Flush(_outbound);
            SendStamps += Stopwatch.GetTimestamp() - start;
        }

        return _outbound.Buffer(_outbound.Count);
    }

    /// <summary>Takes what was written into <see cref="NextBuffer"/>.</summary>
    public void Add(in PeerAddress to, int bytes) => _outbound.Add(to, bytes);

    public void Dispose()
    {
        _stops = true;
        _thread?.Join();
    }

    private bool Refill()
    {
        // A batch that was not full was all there was; asking again in the same tick would let a flood hold the tick.
        if (_inboundEnded)
            return false;
        int count = _socket.Receive(_inbound);
        _inboundNext = 0;
        _inboundEnded = count < _inbound.Capacity;
        return count > 0;
    }

    private void Begin(Work work)
    {
        if (_thread is null)
        {
            Do(work);
            return;
        }

        _work = work;
        Volatile.Write(ref _ordered, _ordered + 1);
    }

    private void Do(Work work)
    {
        if (work == Work.Write)
        {
            TakeReplies();
            _zone.WritePeers(this);
            return;
        }

        Flush(_outbound);
    }

    // In the same batches as the players' packets, so that strangers make no burst; before them, so that who is accepted can open its welcome.
    private void TakeReplies()
    {
        for (int i = 0; i < Replies.Count; i++)
        {
            Replies.Datagram(i).CopyTo(NextBuffer());
            Add(Replies.Address[i], Replies.LengthBytes(i));
        }

        Replies.Clear();
    }

    private void Flush(DatagramBatch batch)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            int bytes = batch.LengthBytes(i);
            BytesOut += bytes;
            DatagramBytesMax = Math.Max(DatagramBytesMax, bytes);
            if (_hash)
                _outboundHash.Add(batch.Address[i], batch.Datagram(i));
        }

        DatagramsOut += batch.Count;
        if (batch.Count > 0)
        {
            _zone.Pacer?.Wait(batch.Count);
            _socket.Send(batch);
        }

        batch.Clear();
    }

    private void Run()
    {
        try
        {
            while (!_stops)
            {
                if (Volatile.Read(ref _ordered) != _done)
                {
                    Do(_work);
                    Volatile.Write(ref _done, _done + 1);
                }
                else if (Receive() == 0 && _work == Work.Send)
                {
                    // Between writing and sending the next order is microseconds away: no nap there.
                    Clock.SleepUntil(Clock.NowNs + NapNs);
                }
            }
        }
        catch (Exception failure)
        {
            _failure = failure;
        }
    }

    private int Receive()
    {
        int count = _socket.Receive(_inbound);
        for (int i = 0; i < count; i++)
            _queue!.Add(_inbound.Address[i], _inbound.Datagram(i));
        return count;
    }
}
