using System.Text.Json.Serialization;
using Hectare.Peers.Bots;

namespace Hectare.Peers;

/// <summary>What the processes tell each other, and what <c>--json</c> writes.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ServerStatus))]
[JsonSerializable(typeof(ServerFigures))]
[JsonSerializable(typeof(FleetStatus))]
[JsonSerializable(typeof(FleetFigures))]
[JsonSerializable(typeof(Comparison))]
internal sealed partial class PeersJson : JsonSerializerContext;
