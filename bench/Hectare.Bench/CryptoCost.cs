using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Hectare.Protocol;
using Hectare.Transport.Crypto;

namespace Hectare.Bench;

/// <summary>
/// What a packet costs to seal and to open. As in a server: 10,000 keys in random order, so that each packet finds its key cold, and packets in
/// batches, so that they are warm. Each turn goes over all keys three times: at first they come from memory, then from the outer cache. Thread CPU
/// time; the contestants in turns, medians of the rounds. All of them seal the same bytes, which is checked as they go.
/// </summary>
internal static class CryptoCost
{
    private const int Keys = 10_000;
    private const int Batch = 250;
    private const int Rounds = 9;
    private const int CachedPasses = 2;
    private const int WarmUpMs = 500;
    private const int OtherMemoryBytes = 64 << 20;
    private const int HeaderBytes = 11;
    private const int SetUps = 2_000;
    private const double TargetNs = 400;
    private static readonly int[] Sizes = [64, 600, 1_200];

    private delegate void Sealer(int key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, Span<byte> tag);

    private delegate bool Opener(int key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> header, Span<byte> body, ReadOnlySpan<byte> tag);

    public static int Run(TextWriter output, string? jsonFile)
    {
        byte[][] keys = MakeKeys();
        List<Contestant> contestants = MakeContestants(output, keys);
        int[] order = Order();

        // The second compilation comes a while after the first calls, in the background; what is measured must not be the first.
        var warmUp = new Packets(order, Sizes[0]);
        foreach (Contestant contestant in contestants)
            warmUp.Run(contestant, ulong.MaxValue);
        Thread.Sleep(WarmUpMs);
        foreach (int size in Sizes)
            Measure(contestants, order, size);
        Write(output, contestants);
        Contestant first = contestants.Find(contestant => contestant.IsDefault)!;
        double setUpNs = SetUpNs();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"keys of a connection (HKDF: 1 extract, 6 expands; 2 keys set up): {setUpNs:N0} ns"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"default ({first.Name}): {first.SealNs[1]:F0} ns to seal {Sizes[1]} bytes (target: at most {TargetNs:F0})"));
        if (jsonFile is not null)
            File.WriteAllText(jsonFile, Json(contestants, setUpNs));
        foreach (Contestant contestant in contestants)
            contestant.Dispose();
        return first.SealNs[1] <= TargetNs ? 0 : 1;
    }

    private static byte[][] MakeKeys()
    {
        var random = new SeededRandom(13);
        byte[][] keys = new byte[Keys][];
        for (int i = 0; i < Keys; i++)
        {
            keys[i] = new byte[PacketCipher.KeyBytes];
            for (int j = 0; j < PacketCipher.KeyBytes; j++)
                keys[i][j] = (byte)random.NextUInt64();
        }

        return keys;
    }

    private static List<Contestant> MakeContestants(TextWriter output, byte[][] keys)
    {
        var contestants = new List<Contestant> { OfSuite("framework AesGcm", CipherSuite.Aes256Gcm, CipherProvider.Framework, keys) };
        if (CipherSelfTest.IntrinsicsUsable)
            contestants.Add(OfSuite("our AES-256-GCM", CipherSuite.Aes256Gcm, CipherProvider.Intrinsics, keys));
        else
            output.WriteLine($"our AES-256-GCM left out: {CipherSelfTest.Warning}");
        if (Libcrypto.IsThere)
            contestants.Add(OfLibcrypto(keys));
        else
            output.WriteLine("libcrypto EVP left out: there is no libcrypto.so.3");
        contestants.Add(OfSuite("framework ChaCha20-Poly1305", CipherSuite.ChaCha20Poly1305, CipherProvider.Auto, keys));
        using PacketCipher usual = PacketCipher.Create(CipherSuite.Aes256Gcm, keys[0]);
        contestants[usual is AesGcmIntrinsics ? 1 : 0].IsDefault = true;
        return contestants;
    }

    private static Contestant OfSuite(string name, CipherSuite suite, CipherProvider provider, byte[][] keys)
    {
        long before = ResidentBytes();
        PacketCipher[] ciphers = [.. keys.Select(key => PacketCipher.Create(suite, key, provider))];
        return new Contestant
        {
            Name = name,
            SameAsFirst = suite == CipherSuite.Aes256Gcm,
            MemoryBytes = ciphers[0] is AesGcmIntrinsics ? ciphers[0].MemoryBytes : (ResidentBytes() - before) / Keys,
            Seal = [MethodImpl(MethodImplOptions.AggressiveOptimization)] (key, nonce, header, body, tag) => ciphers[key].Seal(nonce, header, body, tag),
            Open = [MethodImpl(MethodImplOptions.AggressiveOptimization)] (key, nonce, header, body, tag) => ciphers[key].TryOpen(nonce, header, body, tag),
            Ciphers = ciphers,
        };
    }

    private static Contestant OfLibcrypto(byte[][] keys)
    {
        long before = ResidentBytes();
        Libcrypto[] ciphers = [.. keys.Select(key => new Libcrypto(key))];
        return new Contestant
        {
            Name = "libcrypto EVP, context kept",
            SameAsFirst = true,
            MemoryBytes = (ResidentBytes() - before) / Keys / 2,
            Seal = [MethodImpl(MethodImplOptions.AggressiveOptimization)] (key, nonce, header, body, tag) => ciphers[key].Seal(nonce, header, body, tag),
            Open = [MethodImpl(MethodImplOptions.AggressiveOptimization)] (key, nonce, header, body, tag) => ciphers[key].TryOpen(nonce, header, body, tag),
            Ciphers = ciphers,
        };
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }

    // A shuffle: no key follows its neighbour.
    private static int[] Order()
    {
        var random = new SeededRandom(14);
        int[] order = [.. Enumerable.Range(0, Keys)];
        for (int i = Keys - 1; i > 0; i--)
        {
            int other = random.Next(0, i + 1);
            (order[i], order[other]) = (order[other], order[i]);
        }

        return order;
    }

    private static void Measure(List<Contestant> contestants, int[] order, int size)
    {
        List<Turn>[] turns = [.. contestants.Select(_ => new List<Turn>())];
        var packets = new Packets(order, size);
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < contestants.Count; i++)
                turns[i].Add(packets.Run(contestants[i], (ulong)round));
            for (int i = 1; i < contestants.Count; i++)
            {
                if (contestants[i].SameAsFirst && turns[i][round].Hash != turns[0][round].Hash)
                    throw new InvalidOperationException($"{contestants[i].Name} sealed other bytes than {contestants[0].Name}");
            }
        }

        for (int i = 0; i < contestants.Count; i++)
        {
            contestants[i].SealNs.Add(Median(turns[i].Select(turn => turn.SealNs)));
            contestants[i].OpenNs.Add(Median(turns[i].Select(turn => turn.OpenNs)));
            contestants[i].SealFromMemoryNs.Add(Median(turns[i].Select(turn => turn.SealFromMemoryNs)));
            contestants[i].OpenFromMemoryNs.Add(Median(turns[i].Select(turn => turn.OpenFromMemoryNs)));
        }
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static double SetUpNs()
    {
        byte[] secret = new byte[32], randoms = new byte[32], prk = new byte[32], key = new byte[32];
        var rounds = new List<double>();
        for (int round = 0; round < Rounds; round++)
        {
            long before = ThreadClock.NowNs();
            for (int i = 0; i < SetUps; i++)
            {
                secret[0] = (byte)i;
                Hkdf.Extract(randoms, secret, prk);
                for (int label = 0; label < 6; label++)
                    Hkdf.Expand(prk, "hectare 21 c ap"u8, key);
                PacketCipher.Create(CipherSuite.Aes256Gcm, key).Dispose();
                PacketCipher.Create(CipherSuite.Aes256Gcm, key).Dispose();
            }

            rounds.Add((ThreadClock.NowNs() - before) / (double)SetUps);
        }

        return Median(rounds);
    }

    private static void Write(TextWriter output, List<Contestant> contestants)
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Keys:N0} keys in random order, {HeaderBytes} bytes of header, ns a packet (thread CPU time, median of {Rounds}; in brackets against {contestants[0].Name})"));
        WriteTable(output, "keys from the outer cache", contestants, contestant => [.. contestant.SealNs, .. contestant.OpenNs]);
        WriteTable(output, "keys from memory", contestants, contestant => [.. contestant.SealFromMemoryNs, .. contestant.OpenFromMemoryNs]);
        output.WriteLine("core: 10,000 peers, to each 10 packets of 600 bytes a second, from each 20 of 64");
        foreach (Contestant contestant in contestants)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{contestant.Name}: {contestant.MemoryBytes:N0} bytes a key"));
    }

    private static void WriteTable(TextWriter output, string title, List<Contestant> contestants, Func<Contestant, List<double>> figures)
    {
        output.WriteLine();
        output.WriteLine($"| {title} | {string.Join(" | ", Sizes.Select(size => $"seal {size} B"))} | {string.Join(" | ", Sizes.Select(size => $"open {size} B"))} | core |");
        output.WriteLine($"|---|{string.Concat(Enumerable.Repeat("---|", (2 * Sizes.Length) + 1))}");
        foreach (Contestant contestant in contestants)
        {
            List<double> own = figures(contestant);
            IEnumerable<string> cells = own.Zip(figures(contestants[0]), (ns, against) => string.Create(CultureInfo.InvariantCulture, $"{ns:N0} ({ns / against:F2})"));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {contestant.Name} | {string.Join(" | ", cells)} | {Cores(own):F3} |"));
        }

        output.WriteLine();
    }

    // 10,000 peers, to each 10 packets a second of 600 bytes, from each 20 of 64.
    private static double Cores(List<double> figures) => ((100_000 * figures[1]) + (200_000 * figures[Sizes.Length])) / 1e9;

    private static string Json(List<Contestant> contestants, double setUpNs) => JsonSerializer.Serialize(
        new
        {
            keys = Keys,
            headerBytes = HeaderBytes,
            sizes = Sizes,
            contestants = contestants.Select(contestant => new
            {
                name = contestant.Name,
                isDefault = contestant.IsDefault,
                sealNs = contestant.SealNs,
                openNs = contestant.OpenNs,
                sealFromMemoryNs = contestant.SealFromMemoryNs,
                openFromMemoryNs = contestant.OpenFromMemoryNs,
                bytesPerKey = contestant.MemoryBytes,
                coresAt10000Peers = Cores([.. contestant.SealNs, .. contestant.OpenNs]),
                coresAt10000PeersFromMemory = Cores([.. contestant.SealFromMemoryNs, .. contestant.OpenFromMemoryNs]),
            }),
            connectionKeysNs = setUpNs,
        },
        JsonOptions);

    private static readonly JsonSerializerOptions JsonOptions = new() { WriteIndented = true };

    private sealed class Contestant : IDisposable
    {
        public required string Name { get; init; }

        public required bool SameAsFirst { get; init; }

        public required long MemoryBytes { get; init; }

        public required Sealer Seal { get; init; }

        public required Opener Open { get; init; }

        public required IDisposable[] Ciphers { get; init; }

        public bool IsDefault { get; set; }

        public List<double> SealNs { get; } = [];

        public List<double> OpenNs { get; } = [];

        public List<double> SealFromMemoryNs { get; } = [];

        public List<double> OpenFromMemoryNs { get; } = [];

        public void Dispose()
        {
            foreach (IDisposable cipher in Ciphers)
                cipher.Dispose();
        }
    }

    private readonly record struct Turn(double SealNs, double OpenNs, double SealFromMemoryNs, double OpenFromMemoryNs, ulong Hash);

    /// <summary>One packet for each key: all are sealed, then all opened.</summary>
    private sealed class Packets(int[] order, int size)
    {
        private readonly byte[] _plain = [.. Enumerable.Range(0, size).Select(value => (byte)value)];
        private readonly byte[] _header = [.. Enumerable.Range(0, HeaderBytes).Select(value => (byte)value)];
        private readonly byte[] _nonces = new byte[Batch * PacketCipher.NonceBytes];
        private readonly byte[] _bodies = new byte[Batch * size];
        private readonly byte[] _tags = new byte[Batch * PacketCipher.TagBytes];
        private readonly byte[] _allBodies = new byte[order.Length * size];
        private readonly byte[] _allTags = new byte[order.Length * PacketCipher.TagBytes];
        private readonly byte[] _other = new byte[OtherMemoryBytes];

        public Turn Run(Contestant contestant, ulong round)
        {
            Touch();
            double sealFromMemoryNs = Pass(start => Seal(contestant, round, start));
            double sealNs = 0, openNs = 0;
            for (int pass = 0; pass < CachedPasses; pass++)
                sealNs += Pass(start => Seal(contestant, round, start)) / CachedPasses;
            ulong hash = 0;
            foreach (byte value in _allTags)
                hash = (hash ^ value) * 0x100_0000_01B3;
            Touch();
            double openFromMemoryNs = Pass(start => Open(contestant, round, start));
            for (int pass = 0; pass < CachedPasses; pass++)
                openNs += Pass(start => Open(contestant, round, start)) / CachedPasses;
            return new Turn(sealNs, openNs, sealFromMemoryNs, openFromMemoryNs, hash);
        }

        private double Pass(Func<int, long> batch)
        {
            long ns = 0;
            for (int start = 0; start < order.Length; start += Batch)
                ns += batch(start);
            return ns / (double)order.Length;
        }

        // More than the caches hold.
        private void Touch()
        {
            for (int i = 0; i < _other.Length; i += 64)
                _other[i]++;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private long Seal(Contestant contestant, ulong round, int start)
        {
            WriteNonces(round, start);
            for (int i = 0; i < Batch; i++)
                _plain.CopyTo(Body(i));
            long before = ThreadClock.NowNs();
            for (int i = 0; i < Batch; i++)
                contestant.Seal(order[start + i], Nonce(i), _header, Body(i), Tag(i));
            long ns = ThreadClock.NowNs() - before;
            _bodies.CopyTo(_allBodies, start * size);
            _tags.CopyTo(_allTags, start * PacketCipher.TagBytes);
            return ns;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private long Open(Contestant contestant, ulong round, int start)
        {
            WriteNonces(round, start);
            _allBodies.AsSpan(start * size, Batch * size).CopyTo(_bodies);
            _allTags.AsSpan(start * PacketCipher.TagBytes, Batch * PacketCipher.TagBytes).CopyTo(_tags);
            bool opened = true;
            long before = ThreadClock.NowNs();
            for (int i = 0; i < Batch; i++)
                opened &= contestant.Open(order[start + i], Nonce(i), _header, Body(i), Tag(i));
            long ns = ThreadClock.NowNs() - before;
            return opened && Body(Batch - 1).SequenceEqual(_plain) ? ns : throw new InvalidOperationException($"{contestant.Name} did not open what it sealed");
        }

        private void WriteNonces(ulong round, int start)
        {
            for (int i = 0; i < Batch; i++)
                BitConverter.TryWriteBytes(Nonce(i), (round << 32) | (uint)(start + i));
        }

        private Span<byte> Nonce(int i) => _nonces.AsSpan(i * PacketCipher.NonceBytes, PacketCipher.NonceBytes);

        private Span<byte> Body(int i) => _bodies.AsSpan(i * size, size);

        private Span<byte> Tag(int i) => _tags.AsSpan(i * PacketCipher.TagBytes, PacketCipher.TagBytes);
    }
}
