namespace Hectare.Protocol;

/// <summary>Texts by hash, bounded: the server's names, a client's names. Equal texts are kept once.</summary>
/// <remarks>Full: the whole table is dropped by its owner (<see cref="Clear"/>) or the new text is refused; it never grows past its bound.</remarks>
public sealed class TextTable(int capacity = 65_536) : ITexts
{
    private readonly Dictionary<uint, byte[]> _texts = [];

    /// <summary>Texts held.</summary>
    public int Count => _texts.Count;

    /// <summary>Texts that were refused: the table was full, or two texts had one hash.</summary>
    public long Refused { get; private set; }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Find(uint hash) => hash != 0 && _texts.TryGetValue(hash, out byte[]? utf8) ? utf8 : [];

    /// <inheritdoc/>
    public uint Add(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty)
            return 0;
        uint hash = HashOf(utf8);
        if (_texts.TryGetValue(hash, out byte[]? known))
        {
            if (!utf8.SequenceEqual(known))
                Refused++;
            return hash;
        }

        if (_texts.Count >= capacity)
        {
            Refused++;
            return 0;
        }

        _texts.Add(hash, utf8.ToArray());
        return hash;
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _texts.Clear();

    /// <summary>32-bit FNV-1a; never 0 for a text that is not empty.</summary>
    public static uint HashOf(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty)
            return 0;
        uint hash = 2_166_136_261;
        foreach (byte one in utf8)
            hash = (hash ^ one) * 16_777_619;
        return hash == 0 ? 1 : hash;
    }
}
