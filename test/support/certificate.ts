import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** A self-signed certificate for a name and its addresses, as PEM files in the folder. */
export function makeCertificate(folder: string, name = "localhost"): { certFile: string; keyFile: string } {
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", keyFile, "-out", certFile, "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...algorithm, ...subject, ...files], { stdio: "ignore" });
  return { certFile, keyFile };
}
