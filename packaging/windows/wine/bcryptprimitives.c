/* For tests under a wine that has no bcryptprimitives.dll: its one function that Rust's std calls, by way of the older
   RtlGenRandom. Put into the wine prefix of the tests, and never shipped. */
#include <windows.h>

#define CHUNK_MAX 0x10000000u

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    while (length > 0) {
        ULONG chunk = length < CHUNK_MAX ? (ULONG)length : CHUNK_MAX;
        if (!SystemFunction036(buffer, chunk))
            return FALSE;
        buffer += chunk;
        length -= chunk;
    }
    return TRUE;
}
