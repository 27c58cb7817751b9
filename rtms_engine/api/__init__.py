"""The HTTP API: what streams and recordings there are, and what is to happen with them.

Every operation is a row (`operation.Operation`) with its typed query, body and answer; the routes, the
checks of what comes in and the OpenAPI description (`openapi`) are made from the rows. Who may call what is
decided in `access`, before a handler runs. Errors are problem details of RFC 9457 (`problem`), with a
remedy. The API looks at the engine through `face.EngineFace` alone, and knows nothing of how it works.
"""
