"""Tests in Firefox and WebKitGTK."""
