/* For tests: stands in the place of netsh.exe and icacls.exe, of which wine has only the names, and writes down how it
   was called, a line per call, in C:\commands.txt. Put into the wine prefix of the tests, and never shipped. */
#include <stdio.h>
#include <windows.h>

int main(void)
{
    FILE *file = fopen("C:\\commands.txt", "a");
    if (file == NULL)
        return 1;
    fprintf(file, "%s\n", GetCommandLineA());
    return fclose(file);
}
