using System.Globalization;
using System.Text;

namespace Hectare.Transport;

/// <summary>The keys under which a cluster's login services and zones seal connect tokens for each other.</summary>
/// <remarks>The first key seals, every key opens. To rotate: put the new key last everywhere, then first everywhere, then take the old one out once its
/// last token has expired. One key may seal 2^32 tokens at most (random nonces of 96 bits): rotate long before.</remarks>
public sealed class ClusterKeys
{
    /// <summary>Most keys of a ring.</summary>
    public const int CountMax = 8;

    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 32;

    private readonly (byte Id, byte[] Key)[] _keys;

    private ClusterKeys((byte Id, byte[] Key)[] keys) => _keys = keys;

    /// <summary>Number of keys, 1 to 8.</summary>
    public int Count => _keys.Length;

    /// <summary>Id of the key that seals.</summary>
    public byte CurrentId => _keys[0].Id;

    internal ReadOnlySpan<(byte Id, byte[] Key)> All => _keys;

    /// <summary>True when the ring has a key of this id.</summary>
    public bool Holds(byte id) => Array.Exists(_keys, key => key.Id == id);

    /// <summary>A ring of one key.</summary>
    /// <param name="id">Travels in the open with each token: which key to try.</param>
    /// <param name="key">32 random bytes.</param>
    public static ClusterKeys Of(byte id, ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyBytes)
            throw new ArgumentException($"a cluster key is {KeyBytes} bytes; these are {key.Length}", nameof(key));
        return new ClusterKeys([(id, key.ToArray())]);
    }

    /// <summary>Reads a key file: one <c>id:64 hexadecimal digits</c> a line, the key that seals first; <c>#</c> begins a comment.</summary>
    /// <returns>False: <paramref name="error"/> says which line and what it must be; it never repeats a key.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out ClusterKeys keys, out string error)
    {
        keys = null!;
        error = "";
        var read = new List<(byte Id, byte[] Key)>();
        int number = 0;
        foreach (ReadOnlySpan<char> raw in text.EnumerateLines())
        {
            number++;
            ReadOnlySpan<char> line = raw.Trim();
            if (line.IsEmpty || line[0] == '#')
                continue;
            if (!TryParseLine(line, out byte id, out byte[] key))
                error = $"line {number}: must be 'id:key', an id from 0 to 255 and 64 hexadecimal digits";
            else if (read.Exists(known => known.Id == id))
                error = $"line {number}: id {id} is there twice";
            if (error.Length > 0)
                return false;
            read.Add((id, key));
        }

        if (read.Count is 0 or > CountMax)
            error = $"{read.Count} keys: must be 1 to {CountMax}";
        else
            keys = new ClusterKeys([.. read]);
        return error.Length == 0;
    }

    /// <summary>The text that <see cref="TryParse"/> reads. Secret.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        foreach ((byte id, byte[] key) in _keys)
            text.Append(CultureInfo.InvariantCulture, $"{id}:{Convert.ToHexStringLower(key)}\n");
        return text.ToString();
    }

    /// <summary>How many keys; never the keys.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Count} cluster keys, current {CurrentId}");

    private static bool TryParseLine(ReadOnlySpan<char> line, out byte id, out byte[] key)
    {
        key = [];
        int colon = line.IndexOf(':');
        if (!byte.TryParse(colon < 0 ? default : line[..colon], NumberStyles.None, CultureInfo.InvariantCulture, out id) || line.Length - colon - 1 != 2 * KeyBytes)
            return false;
        key = new byte[KeyBytes];
        return Convert.FromHexString(line[(colon + 1)..], key, out _, out _) == System.Buffers.OperationStatus.Done;
    }
}
