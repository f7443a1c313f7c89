"""From files to arrays, once: decoding in parallel, the cache, what memory allows."""
