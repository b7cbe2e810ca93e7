/* Does nothing: what it costs is start and end. */
int main(void) { return 0; }
