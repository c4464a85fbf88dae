using System.Buffers.Binary;

namespace Hectare.Farm;

/// <summary>What came of using a tile; the refusals say why.</summary>
public enum UseResult : byte
{
    /// <summary>The crop there was dry and is watered now.</summary>
    Watered,

    /// <summary>More than two units away, or off the map.</summary>
    OutOfReach,

    /// <summary>No crop grows there.</summary>
    NothingThere,

    /// <summary>It is wet already.</summary>
    AlreadyWatered,
}

/// <summary>A player's wish to use a tile, on the action lane: type 1, tile x, tile y (u16 little-endian). 5 bytes.</summary>
public readonly record struct UseMessage(ushort TileX, ushort TileY)
{
    /// <summary>Length of the message.</summary>
    public const int Bytes = 5;

    private const byte Type = 1;

    /// <summary>Writes it to the start of <paramref name="destination"/> (at least <see cref="Bytes"/>); gives the bytes used.</summary>
    public int Write(Span<byte> destination)
    {
        destination[0] = Type;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[1..], TileX);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[3..], TileY);
        return Bytes;
    }

    /// <summary>False for anything that <see cref="Write"/> would not have written.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, out UseMessage use)
    {
        use = default;
        if (message.Length != Bytes || message[0] != Type)
            return false;
        use = new UseMessage(BinaryPrimitives.ReadUInt16LittleEndian(message[1..]), BinaryPrimitives.ReadUInt16LittleEndian(message[3..]));
        return true;
    }
}
