/* The program `lean`, from the library libleanshared.so: see setup.sh. */
extern int lean_main(int argc, char **argv);

int main(int argc, char **argv)
{
    return lean_main(argc, argv);
}
