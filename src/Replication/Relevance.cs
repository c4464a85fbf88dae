using Hectare.Protocol;

namespace Hectare.Replication;

/// <summary>The few entities that a game keeps in one peer's crowd for a while: whoever acts on it.</summary>
internal sealed class Relevance
{
    internal const int Max = 8;

    private readonly uint[] _ids = new uint[Max];
    private readonly Tick[] _until = new Tick[Max];

    /// <summary>The entities, those whose time is over among them; 0 where there is none.</summary>
    internal ReadOnlySpan<uint> Ids => _ids;

    internal static int MemoryBytes => Max * 2 * sizeof(uint);

    /// <summary>Replaces what was said of the entity before; with the list full, of the one that ends first.</summary>
    internal void Set(EntityId id, Tick until)
    {
        int at = Array.IndexOf(_ids, id.Value);
        for (int i = 0; i < Max && at < 0; i++)
            at = _ids[i] == 0 ? i : -1;
        if (at < 0)
        {
            at = 0;
            for (int i = 1; i < Max; i++)
                at = _until[i] < _until[at] ? i : at;
        }

        (_ids[at], _until[at]) = (id.Value, until);
    }

    internal bool Has(uint id, Tick tick)
    {
        int at = Array.IndexOf(_ids, id);
        return at >= 0 && tick <= _until[at];
    }
}
