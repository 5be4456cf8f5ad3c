import { Errors } from "moleculer";

/** 404: the tenant has no such client. */
export class ClientNotFoundError extends Errors.MoleculerClientError {
  constructor(clientId: string) {
    super(`Client '${clientId}' not found.`, 404, "CLIENT_NOT_FOUND", { clientId });
  }
}

/** 409: it has no secret that could be renewed. */
export class ClientWithoutSecretError extends Errors.MoleculerClientError {
  constructor(clientId: string) {
    super(`Client '${clientId}' has no secret.`, 409, "CLIENT_WITHOUT_SECRET", { clientId });
  }
}

/** 422: what it says of itself does not fit together, or is not for this server. */
export class ClientMetadataError extends Errors.MoleculerClientError {
  constructor(field: string, message: string) {
    super("Invalid parameters.", 422, "VALIDATION_ERROR", [{ field, message }]);
  }
}

/** 404: the tenant does not trust such an issuer. */
export class TrustedIssuerNotFoundError extends Errors.MoleculerClientError {
  constructor(issuer: string) {
    super(`Issuer '${issuer}' is not trusted.`, 404, "TRUSTED_ISSUER_NOT_FOUND", { issuer });
  }
}
