using Hectare.Bench;

// hectare's bench: no sockets, no processes.
//   dotnet run -c Release --project bench/Hectare.Bench -- flat          cost per snapshot from 100 to 2,000 players (docs/budgets.md)
//   dotnet run -c Release --project bench/Hectare.Bench -- bits          bits of a turn, an animation, an enter in the workload uniform
//   dotnet run -c Release --project bench/Hectare.Bench -- crypto        ns to seal and to open a packet, by provider; --json FILE writes the figures too
//   dotnet run -c Release --project bench/Hectare.Bench -- step          ms to move 50,000 walkers on by a tick; --json FILE; --at-most-ms N is the exit code's line (8)
//   dotnet run -c Release --project bench/Hectare.Bench -- micro         BenchmarkDotNet: the parts, with its own table and arguments (--filter '*Append*')
//   dotnet run -c Release --project bench/Hectare.Bench -- gate          the same against bench/budgets.json, as CI runs it; --budgets FILE takes others
if (args is ["flat", ..])
    return FlatCost.Run(Console.Out);
if (args is ["bits", ..])
    return Bits.Run(Console.Out);
if (args is ["crypto"])
    return CryptoCost.Run(Console.Out, jsonFile: null);
if (args is ["crypto", "--json", string file])
    return CryptoCost.Run(Console.Out, file);
if (args is ["step", .. string[] stepOptions] && Options.Parse(stepOptions, "--json", "--at-most-ms") is { } step && step.TryNumber("--at-most-ms", StepCost.TargetMs, out double atMostMs))
    return StepCost.Run(Console.Out, step.Text("--json"), atMostMs);
if (args is ["micro", .. string[] itsOptions])
    return MicroBenchmarks.Run(itsOptions);
if (args is ["gate", .. string[] gateOptions] && Options.Parse(gateOptions, "--budgets") is { } gate)
    return MicroBenchmarks.Gate(Console.Out, gate.Text("--budgets") ?? Path.Combine(AppContext.BaseDirectory, "budgets.json"));

await Console.Error.WriteLineAsync("bench: say what to measure: 'flat' (cost per snapshot by players), 'bits' (what things cost on the wire), 'crypto' (what sealing and opening costs; --json FILE), "
    + "'step' (50,000 walkers; --json FILE, --at-most-ms N), 'micro' (BenchmarkDotNet) or 'gate' (micro against bench/budgets.json; --budgets FILE)");
return 2;
