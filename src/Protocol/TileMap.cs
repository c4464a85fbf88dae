using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Hectare.Protocol;

/// <summary>A base map, the same file for server, .NET client and Godot client; the handshake compares <see cref="Sha256"/>.</summary>
/// <remarks>
/// Format <c>.htm</c>: 'HTM1', width, height (u16 little-endian, 1 to 32,768), one byte a tile, row after row. Bit 0 of a tile: blocks.
/// The other bits are the game's and are kept as they are.
/// </remarks>
public sealed class TileMap : ITiles
{
    /// <summary>Bytes before the tiles.</summary>
    public const int HeaderBytes = 8;

    /// <summary>Most tiles a side: the largest world, one tile a unit.</summary>
    public const int SideMax = 32_768;

    /// <summary>Bit 0 of a tile: nothing walks there.</summary>
    public const byte BlocksBit = 1;

    private readonly byte[] _tiles;
    private readonly ulong[] _blocking;
    private readonly byte[] _sha256;

    /// <summary>A map of <paramref name="width"/> times <paramref name="height"/> tiles (1 to 32,768 each), row after row; the bytes are copied.</summary>
    /// <exception cref="TileMapException">A size out of range, or not one byte a tile.</exception>
    public TileMap(int width, int height, ReadOnlySpan<byte> tiles)
    {
        if (tiles.Length != TileCount(width, height))
            throw new TileMapException($"a map of {width} x {height} tiles needs {width * height} bytes of tiles, not {tiles.Length}");
        (Width, Height) = (width, height);
        _tiles = tiles.ToArray();
        // One bit a tile: the 4 MB of a 2,048 x 2,048 map would fall out of the cache at every step, its 512 kB do not.
        _blocking = new ulong[(tiles.Length + 63) >> 6];
        for (int i = 0; i < tiles.Length; i++)
            _blocking[i >> 6] |= (ulong)(tiles[i] & BlocksBit) << (i & 63);
        _sha256 = SHA256.HashData(ToBytes());
    }

    /// <inheritdoc/>
    public int Width { get; }

    /// <inheritdoc/>
    public int Height { get; }

    /// <summary>SHA-256 of the file's bytes: 32 bytes. Equal hashes mean the same ground.</summary>
    public ReadOnlySpan<byte> Sha256 => _sha256;

    /// <summary>The map as a plain struct for hot loops.</summary>
    public TileView View => new(Width, Height, _blocking);

    /// <summary>The byte of a tile inside the map.</summary>
    public byte this[int tileX, int tileY] => _tiles[(tileY * Width) + tileX];

    /// <inheritdoc/>
    public bool Blocks(int tileX, int tileY) => View.Blocks(tileX, tileY);

    /// <summary>A map on which nothing blocks but its edge.</summary>
    public static TileMap Open(int width, int height) => new(width, height, new byte[TileCount(width, height)]);

    /// <summary>The blocking tiles of any ground as a map; itself when it is one already.</summary>
    public static TileMap From(ITiles tiles)
    {
        ArgumentNullException.ThrowIfNull(tiles);
        if (tiles is TileMap map)
            return map;
        byte[] bytes = new byte[TileCount(tiles.Width, tiles.Height)];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = tiles.Blocks(i % tiles.Width, i / tiles.Width) ? BlocksBit : (byte)0;
        return new TileMap(tiles.Width, tiles.Height, bytes);
    }

    /// <summary>Reads a map from the bytes of a file.</summary>
    /// <exception cref="TileMapException">Not a map; the message says what is wrong.</exception>
    public static TileMap Read(ReadOnlySpan<byte> file)
    {
        if (file.Length < HeaderBytes || !file[..4].SequenceEqual("HTM1"u8))
            throw new TileMapException("not a map: a .htm file starts with 'HTM1', width and height");
        int width = BinaryPrimitives.ReadUInt16LittleEndian(file[4..]);
        int height = BinaryPrimitives.ReadUInt16LittleEndian(file[6..]);
        return new TileMap(width, height, file[HeaderBytes..]);
    }

    /// <summary>The map as the bytes of a file.</summary>
    public byte[] ToBytes()
    {
        byte[] file = new byte[HeaderBytes + _tiles.Length];
        "HTM1"u8.CopyTo(file);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(4), (ushort)Width);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(6), (ushort)Height);
        _tiles.CopyTo(file, HeaderBytes);
        return file;
    }

    /// <summary>Reads a map file.</summary>
    /// <exception cref="TileMapException">The file cannot be read or is not a map; the message names it.</exception>
    public static TileMap Load(string path)
    {
        try
        {
            return Read(File.ReadAllBytes(path));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or TileMapException)
        {
            throw new TileMapException($"map '{path}': {problem.Message}", problem);
        }
    }

    /// <summary>Writes a map file, replacing what was there.</summary>
    public void Save(string path) => File.WriteAllBytes(path, ToBytes());

    private static int TileCount(int width, int height)
        => width is >= 1 and <= SideMax && height is >= 1 and <= SideMax
            ? width * height
            : throw new TileMapException($"a map of {width} x {height} tiles: each side must be 1 to {SideMax}");
}

/// <summary>A map's blocking tiles as a struct: <see cref="ITiles"/> without an interface call.</summary>
public readonly struct TileView : ITiles
{
    private readonly ulong[] _blocking;

    internal TileView(int width, int height, ulong[] blocking)
    {
        Width = width;
        Height = height;
        _blocking = blocking;
    }

    /// <inheritdoc/>
    public int Width { get; }

    /// <inheritdoc/>
    public int Height { get; }

    /// <summary>Asks for the memory of a tile and those above and below it.</summary>
    public void Prefetch(int tileX, int tileY)
    {
        int place = ((tileY * Width) + tileX) >> 6, row = Width >> 6;
        Protocol.Prefetch.Element(_blocking, place);
        Protocol.Prefetch.Element(_blocking, place - row);
        Protocol.Prefetch.Element(_blocking, place + row);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Blocks(int tileX, int tileY)
    {
        if ((uint)tileX >= (uint)Width || (uint)tileY >= (uint)Height)
            return true;
        uint index = ((uint)tileY * (uint)Width) + (uint)tileX;
        return ((_blocking[index >> 6] >> (int)(index & 63)) & 1) != 0;
    }
}

/// <summary>Bytes or a file that are no map: the message is for the operator.</summary>
public sealed class TileMapException(string message, Exception? cause = null) : Exception(message, cause);
