using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hectare.Login;

/// <summary>What the service shows to prove who it is.</summary>
/// <param name="Leaf">With its private key.</param>
/// <param name="Chain">What stands between it and a root; null: nothing.</param>
internal sealed record ServerCertificate(X509Certificate2 Leaf, X509Certificate2Collection? Chain)
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(30);

    /// <summary>64 hexadecimal digits: what a client in development compares (see README.md).</summary>
    public string Sha256 => Leaf.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant();

    /// <summary>The one that was configured, or one made now.</summary>
    /// <exception cref="LoginOptionException">The files hold none.</exception>
    public static ServerCertificate From(LoginOptions options)
    {
        if (options.Certificate is not { } path)
            return new ServerCertificate(MakeForDevelopment(), null);
        try
        {
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(path);
            return new ServerCertificate(Usable(X509Certificate2.CreateFromPemFile(path, options.CertificateKey ?? path)), chain);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new LoginOptionException($"--certificate {path}: must be a PEM file with a certificate, its key there or in --certificate-key ({error.Message})");
        }
    }

    // In memory only, and another at each start: nothing is left behind that somebody could come to trust.
    private static X509Certificate2 MakeForDevelopment()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=hectare login in development", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));   // server authentication
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return Usable(request.CreateSelfSigned(now.AddHours(-1), now + Lifetime));
    }

    // Windows' TLS does not take a key that lives in memory alone; through PKCS #12 it does, everywhere.
    private static X509Certificate2 Usable(X509Certificate2 certificate)
    {
        using (certificate)
            return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), password: null);
    }
}
