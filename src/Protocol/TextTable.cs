namespace Hectare.Protocol;

/// <summary>Texts by hash, bounded: the server's names, a client's names. Equal texts are kept once.</summary>
/// <remarks>Full: the whole table is dropped by its owner (<see cref="Clear"/>) or the new text is refused; it never grows past its bound. All bytes lie in one array and all
/// places in another: who meets a stranger in a crowd of thousands looks up a name, and each was two objects somewhere on the heap.</remarks>
public sealed class TextTable(int capacity = 65_536) : ITexts
{
    private const int PlacesAtStart = 16;
    private const int BytesAtStart = 256;

    private Place[] _places = [];      // by hash, open addressing, at most half full; a power of two
    private byte[] _bytes = [];
    private int _end;

    /// <summary>Texts held.</summary>
    public int Count { get; private set; }

    /// <summary>Texts that were refused: the table was full, or two texts had one hash.</summary>
    public long Refused { get; private set; }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Find(uint hash)
    {
        int at = PlaceOf(hash);
        return at >= 0 ? _bytes.AsSpan(_places[at].Start, _places[at].Length) : [];
    }

    /// <inheritdoc/>
    public uint Add(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty)
            return 0;
        uint hash = HashOf(utf8);
        if (PlaceOf(hash) >= 0)
        {
            if (!utf8.SequenceEqual(Find(hash)))
                Refused++;
            return hash;
        }

        if (Count >= capacity)
        {
            Refused++;
            return 0;
        }

        if ((Count + 1) * 2 > _places.Length)
            Grow();
        while (_bytes.Length - _end < utf8.Length)
            Array.Resize(ref _bytes, Math.Max(BytesAtStart, _bytes.Length * 2));
        utf8.CopyTo(_bytes.AsSpan(_end));
        Put(new Place(hash, _end, utf8.Length));
        _end += utf8.Length;
        Count++;
        return hash;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        Array.Clear(_places);
        (Count, _end) = (0, 0);
    }

    // -1: it is not here.
    private int PlaceOf(uint hash)
    {
        Place[] places = _places;
        if (hash == 0 || places.Length == 0)
            return -1;
        int mask = places.Length - 1;
        for (int at = (int)hash & mask; places[at].Hash != 0; at = (at + 1) & mask)
        {
            if (places[at].Hash == hash)
                return at;
        }

        return -1;
    }

    private void Grow()
    {
        Place[] old = _places;
        _places = new Place[Math.Max(PlacesAtStart, old.Length * 2)];
        foreach (Place place in old)
        {
            if (place.Hash != 0)
                Put(place);
        }
    }

    private void Put(Place place)
    {
        int mask = _places.Length - 1, at = (int)place.Hash & mask;
        while (_places[at].Hash != 0)
            at = (at + 1) & mask;
        _places[at] = place;
    }

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

    private readonly record struct Place(uint Hash, int Start, int Length);
}
