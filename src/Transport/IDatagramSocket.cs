namespace Hectare.Transport;

/// <summary>Where datagrams come from and go to: a UDP socket, or one end of a <see cref="LinkSimulator"/>.</summary>
public interface IDatagramSocket : IDisposable
{
    /// <summary>The address this end is bound to, with the port it really got.</summary>
    PeerAddress LocalAddress { get; }

    /// <summary>What passed and what was dropped since the socket was opened.</summary>
    SocketCounters Counters { get; }

    /// <summary>Clears the batch and fills it with what has arrived. Never blocks.</summary>
    /// <returns>Datagrams received; a full batch means there may be more.</returns>
    int Receive(DatagramBatch batch);

    /// <summary>Sends every entry. One that the system's buffer has no room for, or that the system refuses, is dropped and counted: UDP may.</summary>
    /// <returns>Datagrams handed to the system.</returns>
    int Send(DatagramBatch batch);
}

/// <summary>What one socket has seen. Written by the socket's thread; other threads may read, each number by itself.</summary>
public sealed class SocketCounters
{
    /// <summary>Datagrams received.</summary>
    public long ReceivedDatagrams { get; internal set; }

    /// <summary>UDP payload bytes received.</summary>
    public long ReceivedBytes { get; internal set; }

    /// <summary>Received datagrams longer than a slot; they appear as zero bytes.</summary>
    public long ReceivedTooLong { get; internal set; }

    /// <summary>Errors that the system reported on receive.</summary>
    public long ReceiveErrors { get; internal set; }

    /// <summary>Datagrams handed to the system.</summary>
    public long SentDatagrams { get; internal set; }

    /// <summary>UDP payload bytes handed to the system.</summary>
    public long SentBytes { get; internal set; }

    /// <summary>Datagrams dropped because the send buffer was full.</summary>
    public long SendBufferFull { get; internal set; }

    /// <summary>Datagrams that the system refused (too long for the path, no route, not permitted).</summary>
    public long SendErrors { get; internal set; }
}
