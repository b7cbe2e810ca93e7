/* The smallest user: C, no C++ runtime. Exits with 0 if malloc works. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char** argv) {
  char* text = malloc(100);
  if (text == NULL) return 1;
  snprintf(text, 100, "%d %s", argc, strrchr(argv[0], '/') != NULL ? "ok" : "");
  text = realloc(text, 100000);
  if (text == NULL || strncmp(text, "1 ok", 4) != 0) return 2;
  puts(text);
  free(text);
  return 0;
}
