namespace Hectare.Protocol;

/// <summary>The ground: which tiles stand in the way. One tile is one unit; server and prediction collide with the same one.</summary>
/// <remarks>Hot loops take it as a <c>struct</c> type parameter (<see cref="TileView"/>), so that the call is compiled in.</remarks>
public interface ITiles
{
    /// <summary>Tiles in x.</summary>
    int Width { get; }

    /// <summary>Tiles in y.</summary>
    int Height { get; }

    /// <summary>True when nothing can walk there. Any coordinates are allowed; outside the map everything blocks.</summary>
    bool Blocks(int tileX, int tileY);
}
