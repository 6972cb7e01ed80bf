"""The contracts of querist's parts as checks that a plugin's author can run in any test runner."""
