namespace Hectare.Transport;

/// <summary>One player's stay, across connections: a resume token brings the same one back. 128 bits that nobody can guess.</summary>
/// <param name="High">First half.</param>
/// <param name="Low">Second half.</param>
public readonly record struct SessionId(ulong High, ulong Low)
{
    /// <summary>True for the default value: no session.</summary>
    public bool IsNone => (High | Low) == 0;

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => $"{High:x16}{Low:x16}";
}
