using System.CommandLine;
using Hectare.Cli.Commands;
using Hectare.Peers;

// The peers of Hectare on the same work in one run: the audited design rebuilt, ENet with a naive game, ENet with no game, and Hectare.
//   dotnet run -c Release --project bench/Hectare.Peers -- --out docs/
// 'server' and 'bots' are what it starts itself.
var root = new RootCommand("Hectare beside its peers: players carried on one core, cost of a player, bytes to a player.")
{
    CompareCommand.Create(),
    ServerChild.Create(),
    BotsChild.Create(),
};
return await CommandLine.RunAsync(root, args is ["server" or "bots", ..] ? args : [CompareCommand.Name, .. args]);
