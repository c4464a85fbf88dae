using System.Security.Cryptography;

namespace Hectare.Login;

/// <summary>A toy store of players: in memory, gone at the end. What it does with passwords is not a toy.</summary>
/// <remarks>Filled before the service starts, only read after: any thread.</remarks>
internal sealed class Accounts
{
    // OWASP's Password Storage Cheat Sheet for PBKDF2 with HMAC-SHA256. About 0.2 s of a core for who logs in, and for each guess of who stole the hashes.
    private const int Iterations = 600_000;
    private const int SaltBytes = 16;
    private const int HashBytes = 32;

    private readonly Dictionary<string, Account> _byName = new(StringComparer.Ordinal);

    // What is compared with when there is no such name: an unknown name must cost what a wrong password does, or the time tells who plays here.
    private readonly Account _nobody = new(0, RandomNumberGenerator.GetBytes(SaltBytes), RandomNumberGenerator.GetBytes(HashBytes));

    /// <summary>Everyone.</summary>
    public IEnumerable<string> Names => _byName.Keys;

    /// <summary>Makes an account; its number is the client id that zones see, the same at every login.</summary>
    public void Add(string name, string password)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(SaltBytes);
        _byName.Add(name, new Account((ulong)_byName.Count + 1, salt, Hash(password, salt)));
    }

    /// <summary>Checks a password. As slow for a name that nobody has as for any other.</summary>
    public bool TryVerify(string name, string password, out ulong clientId)
    {
        bool isKnown = _byName.TryGetValue(name, out Account? account);
        account ??= _nobody;
        bool isRight = CryptographicOperations.FixedTimeEquals(Hash(password, account.Salt), account.PasswordHash);
        clientId = account.ClientId;
        return isKnown & isRight;
    }

    private static byte[] Hash(string password, byte[] salt) => Rfc2898DeriveBytes.Pbkdf2(password, salt, Iterations, HashAlgorithmName.SHA256, HashBytes);

    private sealed record Account(ulong ClientId, byte[] Salt, byte[] PasswordHash);
}
