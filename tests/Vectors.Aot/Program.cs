using System.Globalization;
using Hectare.Transport.Crypto;
using Hectare.Vectors;

Console.WriteLine(MovementVectors.Hash().ToString("x16", CultureInfo.InvariantCulture));
Console.WriteLine(SealedVectors.Hash(CipherProvider.Auto).ToString("x16", CultureInfo.InvariantCulture));
Console.WriteLine(CipherSelfTest.Warning ?? "our own AES-256-GCM");
