using System.Buffers.Binary;

namespace Hectare.Transport;

/// <summary>32 secret bytes as a plain value. It never prints itself.</summary>
internal readonly struct Secret256
{
    public const int Bytes = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    public Secret256(ReadOnlySpan<byte> source)
    {
        _a = BinaryPrimitives.ReadUInt64LittleEndian(source);
        _b = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]);
        _c = BinaryPrimitives.ReadUInt64LittleEndian(source[16..]);
        _d = BinaryPrimitives.ReadUInt64LittleEndian(source[24..]);
    }

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, _a);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], _d);
    }

    public byte[] ToArray()
    {
        byte[] bytes = new byte[Bytes];
        Write(bytes);
        return bytes;
    }

    public override string ToString() => "(secret)";
}
