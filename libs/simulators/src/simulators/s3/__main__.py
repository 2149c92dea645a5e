from simulators.s3 import command

if __name__ == "__main__":
    command(prog_name="python -m simulators.s3")
