using BenchmarkDotNet.Running;
using Hectare.Bench;

// hectare's bench: no sockets, no processes.
//   dotnet run -c Release --project bench/Hectare.Bench -- flat          cost per snapshot from 100 to 2,000 players (docs/budgets.md)
//   dotnet run -c Release --project bench/Hectare.Bench -- bits          bits of a turn, an animation, an enter in the workload uniform
//   dotnet run -c Release --project bench/Hectare.Bench -- crypto        ns to seal and to open a packet, by provider; --json FILE writes the figures too
//   dotnet run -c Release --project bench/Hectare.Bench -- micro         BenchmarkDotNet: codec, publish, snapshot
if (args is ["flat", ..])
    return FlatCost.Run(Console.Out);
if (args is ["bits", ..])
    return Bits.Run(Console.Out);
if (args is ["crypto"])
    return CryptoCost.Run(Console.Out, jsonFile: null);
if (args is ["crypto", "--json", string file])
    return CryptoCost.Run(Console.Out, file);
if (args is ["micro", ..])
{
    BenchmarkSwitcher.FromTypes([typeof(SnapshotBenchmarks)]).Run(["--inProcess", "--filter", "*", .. args.Skip(1)]);
    return 0;
}

await Console.Error.WriteLineAsync("bench: say what to measure: 'flat' (cost per snapshot by players), 'bits' (what things cost on the wire), 'crypto' (what sealing and opening costs; --json FILE) or 'micro' (BenchmarkDotNet)");
return 2;
