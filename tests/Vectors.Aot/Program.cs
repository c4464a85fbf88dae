using System.Globalization;
using Hectare.Vectors;

Console.WriteLine(MovementVectors.Hash().ToString("x16", CultureInfo.InvariantCulture));
