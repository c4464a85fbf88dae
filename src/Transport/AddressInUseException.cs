namespace Hectare.Transport;

/// <summary>Another socket is bound to the address. Thrown at start only.</summary>
#pragma warning disable RCS1194 // made in one place, always with its address
public sealed class AddressInUseException : Exception
{
    /// <summary>Names the address in the message.</summary>
    public AddressInUseException(PeerAddress address, Exception? inner = null)
        : base($"the UDP port {address.Port} of {address} is in use", inner) => Address = address;

    /// <summary>The address that was asked for.</summary>
    public PeerAddress Address { get; }
}
